<?php
/**
 * The hostmaster site behind the stand-in drush: the functions of Drupal, hosting, drush and provision that Skynet's
 * module calls, on the sandbox's real database; and the drush commands that lead to the module's real hooks.
 *
 * ~/.drush-sandbox.json has, under `site`: root and uri of the site, aegir_root, web_group.
 */

namespace {

const HOSTING_FEATURE_DISABLED = 0;
const HOSTING_TASK_QUEUED = 0;
const HOSTING_TASK_SUCCESS = 1;
const HOSTING_TASK_WARNING = 3;
const MENU_LOCAL_TASK = 132;
const WATCHDOG_WARNING = 4;
const DRUSH_BOOTSTRAP_DRUPAL_FULL = 5;

const SITE_COMMANDS = [
    'cache-clear', 'pm-list', 'pm-enable', 'pm-disable', 'pm-uninstall', 'hosting-dispatch', 'hosting-pause', 'hosting-resume',
    'skynet-queue',
];

/** What one drush process knows. */
final class Site
{
    public static mysqli $database;
    public static array $config;
    public static array $arguments = [];
    /** Options of the command line, by name. */
    public static array $options = [];
    public static array $statics = [];
    /** Rows for the log of the task that this process runs. */
    public static array $logs = [];
    /** The module is read in a namespace of its own, where time() is the sandbox's. */
    public static bool $accelerated = false;

    public static function begin(mysqli $database, array $arguments): void
    {
        [self::$database, self::$config, self::$arguments] = [$database, read_config(), $arguments];
    }

    public static function moduleFolder(): string
    {
        $site = self::$config['site'];
        return "$site[root]/sites/$site[uri]/modules/hosting_skynet";
    }

    public static function load(string $name): void
    {
        $path = self::moduleFolder() . "/$name";
        if (!self::$accelerated) {
            require_once $path;
        } elseif (!isset(self::$statics["loaded $name"])) {
            self::$statics["loaded $name"] = true;
            eval('namespace Accelerated; use Exception; ' . substr(file_get_contents($path), strlen('<?php')));
        }
    }
}

function site_status(): int
{
    $site = Site::$config['site'];
    echo json_encode(['drupal-version' => '7.105', 'root' => $site['root'], 'uri' => $site['uri'], 'bootstrap' => 'Successful']), "\n";
    return 0;
}

function site_command(string $command, array $words): int
{
    journal(['event' => 'command-start', 'command' => $command, 'arguments' => $words]);
    $status = 0;
    switch ($command) {
        case 'pm-list':
            $rows = Site::$database->query("SELECT name FROM system WHERE status = 1")->fetch_all();
            $modules = [];
            foreach ($rows as [$name]) {
                $modules[$name] = ['name' => $name, 'type' => 'Module', 'status' => 'Enabled'];
            }
            echo json_encode((object) $modules), "\n";
            break;
        case 'pm-enable':
            $status = module_enable([$words[0]]) ? 0 : 1;
            break;
        case 'pm-disable':
            module_disable([$words[0]]);
            break;
        case 'pm-uninstall':
            uninstall($words[0]);
            break;
        case 'hosting-dispatch':
            dispatch();
            break;
        case 'hosting-pause':
            load_drush_hooks();
            drush_skynet_hosting_pause_pre_validate('aegir.example.com');
            drush_hosting_pause_validate('aegir.example.com');
            drush_skynet_hosting_pause_validate('aegir.example.com');
            break;
        case 'hosting-resume':
            load_drush_hooks();
            drush_skynet_post_hosting_resume();
            break;
        case 'skynet-queue':
            $status = skynet_queue();
            break;
    }
    journal(['event' => 'command-end', 'command' => $command, 'status' => $status]);
    return $status;
}

/** The module's own command, which reads its task from standard input. */
function skynet_queue(): int
{
    if (!module_exists('hosting_skynet')) {
        log_line("The drush command 'skynet-queue' could not be found. Run `drush cache-clear drush` to clear the "
            . 'commandfile cache if you have installed new extensions.', 'error');
        return 1;
    }
    load_drush_hooks();
    return drush_skynet_queue() === false ? 1 : 0;
}

function load_drush_hooks(): void
{
    Site::load('hosting_skynet.module');
    require_once Site::moduleFolder() . '/drush/skynet.drush.inc';
}

/** What drush does at the end of a verify of the hostmaster site; the file is found even while the module is disabled. */
function after_hostmaster_verify(): array
{
    if (is_file(Site::moduleFolder() . '/drush/skynet.drush.inc')) {
        load_drush_hooks();
        drush_skynet_post_provision_verify();
    }
    return Site::$logs;
}

/* Cron's dispatcher: asks every module, then lets the oldest waiting task run in a process of its own. */

function dispatch(): void
{
    $queues = ['tasks' => ['enabled' => (bool) variable_get('hosting_queue_tasks_enabled', true)]];
    if (module_exists('hosting_skynet')) {
        Site::$accelerated = true;
        Site::load('hosting_skynet.module');
        \Accelerated\hosting_skynet_hosting_processed_queues_alter($queues);
    }
    if (!$queues['tasks']['enabled']) {
        return;
    }
    $now = sandbox_time();
    Site::$database->query("DELETE FROM semaphore WHERE name = 'hosting_queue_tasks_running' AND expire < $now");
    Site::$database->query("INSERT IGNORE INTO semaphore (name, value, expire) VALUES ('hosting_queue_tasks_running', 'dispatcher', $now + 30)");
    if (Site::$database->affected_rows !== 1) {
        return;
    }
    $running = Site::$database->query('SELECT COUNT(*) FROM node n JOIN hosting_task t ON t.vid = n.vid WHERE t.task_status = -1')->fetch_row()[0];
    $next = Site::$database->query("SELECT n.nid FROM node n JOIN hosting_task t ON t.vid = n.vid WHERE t.task_status = 0 AND n.type = 'task' ORDER BY n.changed, n.nid LIMIT 1")->fetch_row();
    if ($next !== null && $running == 0) {
        variable_set('hosting_queue_tasks_last_run', (int) $now);
        $process = proc_open([dirname(__DIR__) . '/drush', '@hostmaster', 'hosting-task', $next[0]], [
            0 => ['file', '/dev/null', 'r'], 1 => ['file', '/dev/null', 'w'], 2 => ['file', '/dev/null', 'w'],
        ], $pipes);
        // The real one forks and goes; held until the task has begun, as the lock is while it forks.
        do {
            usleep(5000);
            $begun = Site::$database->query("SELECT t.task_status FROM node n JOIN hosting_task t ON t.vid = n.vid WHERE n.nid = $next[0]")->fetch_row();
        } while ($begun !== null && $begun[0] == 0 && proc_get_status($process)['running']);
    }
    Site::$database->query("DELETE FROM semaphore WHERE name = 'hosting_queue_tasks_running' AND value = 'dispatcher'");
}

/* Modules, as Drupal and hosting handle them. */

function module_exists(string $module): bool
{
    $name = Site::$database->real_escape_string($module);
    return Site::$database->query("SELECT 1 FROM system WHERE name = '$name' AND status = 1")->num_rows > 0;
}

function module_enable(array $modules, bool $dependencies = true): bool
{
    foreach ($modules as $module) {
        if ($module === 'hosting_skynet') {
            require_once Site::moduleFolder() . '/hosting_skynet.module';
            require_once Site::moduleFolder() . '/hosting_skynet.install';
            Site::$database->query(create_statement('hosting_skynet_daemon', hosting_skynet_schema()['hosting_skynet_daemon']));
        }
        Site::$database->query("REPLACE INTO system (name, status) VALUES ('$module', 1)");
        if ($module === 'hosting_queued') {
            variable_set('hosting_queue_tasks_enabled', false);
        } elseif (function_exists($module . '_enable')) {
            ($module . '_enable')();
        }
        feature_changed($module, 1);
    }
    return true;
}

function module_disable(array $modules, bool $dependents = true): void
{
    foreach ($modules as $module) {
        if ($module === 'hosting_skynet') {
            require_once Site::moduleFolder() . '/hosting_skynet.module';
            require_once Site::moduleFolder() . '/hosting_skynet.install';
        }
        if ($module === 'hosting_queued') {
            variable_set('hosting_queue_tasks_enabled', true);
        } elseif (function_exists($module . '_disable')) {
            ($module . '_disable')();
        }
        Site::$database->query("UPDATE system SET status = 0 WHERE name = '$module'");
        feature_changed($module, 0);
    }
}

/** Hosting queues a verify of the hostmaster site where the module of a feature was enabled or disabled. */
function feature_changed(string $module, int $enabled): void
{
    $feature = 'hosting_feature_' . substr($module, strlen('hosting_'));
    if ((int) variable_get($feature, 0) !== $enabled) {
        variable_set($feature, $enabled);
        create_task(Site::$database, 'hostmaster', 'verify', []);
    }
}

function uninstall(string $module): void
{
    require_once Site::moduleFolder() . '/hosting_skynet.module';
    require_once Site::moduleFolder() . '/hosting_skynet.install';
    hosting_skynet_uninstall();
    Site::$database->query('DROP TABLE hosting_skynet_daemon');
    Site::$database->query("DELETE FROM system WHERE name = '$module'");
}

/** The CREATE TABLE that Drupal 7 makes of a schema, for the types that the module uses. */
function create_statement(string $table, array $schema): string
{
    $lines = [];
    foreach ($schema['fields'] as $name => $field) {
        $type = ['varchar' => 'VARCHAR(' . ($field['length'] ?? 0) . ')', 'int' => 'INT', 'text' => 'LONGTEXT'][$field['type']];
        $lines[] = "`$name` $type" . (empty($field['unsigned']) ? '' : ' UNSIGNED') . (empty($field['not null']) ? ' NULL' : ' NOT NULL')
            . (isset($field['default']) ? ' DEFAULT ' . (is_int($field['default']) ? $field['default'] : "'$field[default]'") : '');
    }
    $lines[] = 'PRIMARY KEY (' . implode(', ', $schema['primary key']) . ')';
    foreach ($schema['indexes'] as $name => $columns) {
        $lines[] = "INDEX $name (" . implode(', ', $columns) . ')';
    }
    return "CREATE TABLE $table (" . implode(', ', $lines) . ') ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb3';
}

function module_load_include(string $type, string $module, string $name): void
{
    Site::load("$name.$type");
}

/* Drupal. */

function variable_get(string $name, $default = null)
{
    $key = Site::$database->real_escape_string($name);
    $row = Site::$database->query("SELECT value FROM variable WHERE name = '$key'")->fetch_row();
    return $row === null ? $default : unserialize($row[0], ['allowed_classes' => false]);
}

function variable_set(string $name, $value): void
{
    $statement = Site::$database->prepare('REPLACE INTO variable (name, value) VALUES (?, ?)');
    $serialised = serialize($value);
    $statement->bind_param('ss', $name, $serialised);
    $statement->execute();
    Site::$database->query("DELETE FROM cache_bootstrap WHERE cid = 'variables'");
}

function variable_del(string $name): void
{
    $key = Site::$database->real_escape_string($name);
    Site::$database->query("DELETE FROM variable WHERE name = '$key'");
    Site::$database->query("DELETE FROM cache_bootstrap WHERE cid = 'variables'");
}

/** Rows as objects; the module asks without arguments where this is used. */
function db_query(string $query): array
{
    $rows = [];
    $result = Site::$database->query(preg_replace('/\{(\w+)\}/', '$1', $query));
    while ($row = $result->fetch_object()) {
        $rows[] = $row;
    }
    return $rows;
}

function &drupal_static(string $name, $default = null)
{
    if (!array_key_exists($name, Site::$statics)) {
        Site::$statics[$name] = $default;
    }
    return Site::$statics[$name];
}

function drupal_register_shutdown_function(string $name, ...$arguments): void
{
    register_shutdown_function($name, ...$arguments);
}

function cache_clear_all(string $cid, string $bin): void
{
}

function watchdog(string $type, string $message): void
{
}

function t(string $text, array $values = []): string
{
    return strtr($text, $values);
}

/* Drush, provision and hosting. */

function dt(string $text, array $values = []): string
{
    return strtr($text, $values);
}

function drush_log(string $message, string $type = 'notice'): void
{
    Site::$logs[] = [$type, $message, ''];
    fwrite(STDERR, "$message [$type]\n");
}

function drush_get_arguments(): array
{
    return Site::$arguments;
}

function drush_get_option(string $name, $default = null)
{
    if (isset(Site::$options[$name])) {
        return Site::$options[$name];
    }
    $credentials = Site::$config['aliases']['hostmaster'];
    $names = ['db_host' => 'host', 'db_port' => 'port', 'db_name' => 'db', 'db_user' => 'user', 'db_passwd' => 'passwd'];
    return isset($names[$name]) ? $credentials[$names[$name]] : $default;
}

function drush_print($message): void
{
    echo $message, "\n";
}

function drush_set_error(string $code, string $message): bool
{
    log_line($message, 'error');
    return false;
}

function hosting_context_load(string $name): ?object
{
    $name = Site::$database->real_escape_string(ltrim($name, '@'));
    return Site::$database->query(
        "SELECT n.nid, n.type FROM hosting_context c JOIN node n ON n.nid = c.nid WHERE c.name = '$name'"
    )->fetch_object();
}

function hosting_available_tasks(): array
{
    $site = ['verify', 'install', 'backup', 'restore', 'migrate', 'clone', 'disable', 'enable', 'delete', 'login-reset'];
    return [
        'site' => array_fill_keys($site, []),
        'platform' => array_fill_keys(['verify', 'lock', 'unlock', 'delete'], []),
        'server' => array_fill_keys(['verify', 'delete'], []),
    ];
}

/** Hosting's own guards: the hostmaster site cannot be deleted or disabled. */
function hosting_add_task($rid, string $type, array $arguments = [])
{
    if ($rid == variable_get('aegir_hostmaster_site_nid') && in_array($type, ['delete', 'disable'], true)) {
        return false;
    }
    $rid = (int) $rid;
    $context = Site::$database->query("SELECT name FROM hosting_context WHERE nid = $rid")->fetch_row()[0];
    $given = [];
    foreach ($arguments as $name => $value) {
        $given[] = "$name=$value";
    }
    $node = (object) ['nid' => create_task(Site::$database, $context, $type, $given), 'type' => 'task', 'task_status' => HOSTING_TASK_QUEUED];
    hosting_skynet_node_insert($node);
    return $node;
}

function drush_get_context(string $name, $default = []): array
{
    return $default;
}

function d(?string $name = null): ?object
{
    $site = Site::$config['site'];
    $contexts = [
        '@server_master' => (object) ['type' => 'server', 'name' => '@server_master', 'aegir_root' => $site['aegir_root'], 'web_group' => (string) $site['web_group']],
        '@hostmaster' => (object) ['type' => 'site', 'name' => '@hostmaster', 'profile' => 'hostmaster', 'root' => $site['root'], 'uri' => $site['uri'], 'site_path' => "$site[root]/sites/$site[uri]"],
    ];
    return $contexts[$name ?? '@hostmaster'] ?? null;
}

/** Aegir's own: no upgrade while a task is being processed. */
function drush_hosting_pause_validate(string $url): void
{
    $count = 'SELECT COUNT(*) FROM node n JOIN hosting_task t ON t.vid = n.vid WHERE t.task_status = -1';
    while (Site::$database->query($count)->fetch_row()[0] > 0) {
        usleep(20000);
    }
}
}

namespace Accelerated {

    /** What the module takes for time(), where it is read in this namespace. */
    function time(): int
    {
        return (int) \sandbox_time();
    }
}
