<?php
/**
 * A stand-in for drush on an Aegir machine: what `drush @hostmaster hosting-task NID` does to the database, to its
 * processes and to its exit status, without Drupal. What a task does is chosen by its arguments (README.md beside the
 * launcher has them in a table); everything else comes from ~/.drush-sandbox.json, because a task gets little more of an
 * environment than HOME.
 */

require __DIR__ . '/environment.php';
require __DIR__ . '/task.php';

exit(main(array_slice($argv, 1)));

function main(array $arguments): int
{
    $words = array_values(array_filter($arguments, fn($word) => strncmp($word, '--', 2) !== 0));
    use_colour(!in_array('--nocolor', $arguments, true));

    if (posix_geteuid() === 0) {
        log_line('You are running the provision script as the root user. Exiting', 'error');
        return 1;
    }
    $config = read_config();
    $refuseAll = $config['refuse_all'] ?? null;

    $alias = null;
    if (isset($words[0]) && $words[0][0] === '@') {
        $alias = substr(array_shift($words), 1);
    }
    $aliases = $config['aliases'] ?? [];
    if ($alias === null || !isset($aliases[$alias]) || $refuseAll === 'alias') {
        log_line('Could not find the alias @' . ($alias ?? 'none'), 'error');
        return 1;
    }
    if (isset($config['load']) || $refuseAll === 'load') {
        $load = number_format((float) ($config['load'] ?? 99), 2, '.', '');
        log_line("load on system too heavy ($load $load $load), aborting", 'error');
        return 1;
    }
    $database = connect($refuseAll === 'database' ? null : $aliases[$alias]);

    $command = array_shift($words);
    if (isset($config['site']) && $database !== null) {
        require_once __DIR__ . '/site.php';
        Site::begin($database, array_merge([$command], $words));
        Site::$options = in_array('--json', $arguments, true) ? ['json' => true] : [];
        if (in_array($command, SITE_COMMANDS, true)) {
            return site_command($command, $words);
        }
        if ($command === 'status' && in_array('--format=json', $arguments, true)) {
            return site_status();
        }
    }
    if ($command === 'status' || $command === 'core-status') {
        return status($database);
    }
    if (isset($config['commands'][$command])) {
        return other_command($command, $config['commands'][$command], $words);
    }
    if ($command !== 'hosting-task') {
        log_line("The drush command '$command' could not be found.", 'error');
        return 1;
    }
    if ($database === null) {
        log_line("Command $command needs a higher bootstrap level to run - you will need to invoke drush from a more "
            . 'functional Drupal environment to run this command.', 'error');
        log_line('Drush was not able to start (bootstrap) the Drupal database.', 'error');
        return 1;
    }
    return hosting_task($database, $config, $words, in_array('--force', $arguments, true));
}

/** Null where the server cannot be reached or refuses; whatever fails later is fatal, as in Drupal. */
function connect(?array $credentials): ?mysqli
{
    if ($credentials === null) {
        return null;
    }
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    try {
        $database = new mysqli(
            $credentials['host'],
            $credentials['user'],
            $credentials['passwd'],
            $credentials['db'],
            (int) $credentials['port']
        );
        $database->set_charset('utf8mb4');
        return $database;
    } catch (mysqli_sql_exception $e) {
        return null;
    }
}

/** drush 8's core-status: with the database away it still succeeds, and only leaves lines out. */
function status(?mysqli $database): int
{
    $lines = ['Drupal version' => '7.105', 'Site URI' => 'aegir.example.com'];
    if ($database !== null) {
        $lines += ['Database driver' => 'mysql', 'Database' => 'Connected', 'Drupal bootstrap' => 'Successful'];
    }
    $lines += ['Drush version' => '8.4.12', 'PHP executable' => PHP_BINARY];
    foreach ($lines as $name => $value) {
        printf(" %-31s:  %s \n", $name, $value);
    }
    return 0;
}

/**
 * A drush command other than hosting-task: {"ms": …, "until": …, "print": …, "exit": …, "leave_ms": …} says what it does.
 * `until` is a file in the home; `leave_ms` is how long a child lives that it leaves behind, as hosting-dispatch does.
 */
function other_command(string $command, array $does, array $words): int
{
    journal(['event' => 'command-start', 'command' => $command, 'arguments' => $words]);
    echo $does['print'] ?? '';
    if (isset($does['leave_ms'])) {
        leave_child(['context' => 'hostmaster', 'type' => $command], (int) $does['leave_ms'], 'provision');
    }
    pause_ms((int) ($does['ms'] ?? 0));
    while (isset($does['until']) && !file_exists(getenv('HOME') . '/' . $does['until'])) {
        pause_ms(10);
    }
    $status = (int) ($does['exit'] ?? 0);
    journal(['event' => 'command-end', 'command' => $command, 'status' => $status]);
    return $status;
}
