<?php
/**
 * `hosting-task`: finds or makes the task, refuses or starts it, and lets it end.
 *
 * The life of the row: status 0 → (guard, gap) → a new revision with -1 → the work → `delta` while still -1 → final
 * status by a shutdown function, from the types of the log rows. A signal ends PHP without that function: -1 stays.
 */

require __DIR__ . '/work.php';

function hosting_task(mysqli $database, array $config, array $words, bool $force): int
{
    $nid = null;
    if (isset($words[0]) && preg_match('/^\d+$/', $words[0])) {
        $nid = (int) $words[0];
    } elseif (isset($words[0], $words[1])) {
        $nid = create_task($database, $words[0], $words[1], array_slice($words, 2));
        if ($nid !== null) {
            // The real one builds the task's form between saving the task and starting it.
            pause_ms((int) ($config['inline_gap_ms'] ?? 5));
        }
    }
    $task = $nid === null ? null : load_task($database, $nid);
    if ($task === null) {
        if ($nid !== null && !node_exists($database, $nid)) {
            log_line('Attempt to read property "type" on bool task.hosting.inc:72', 'warning');
        }
        $type = isset($words[1]) ? $words[1] : '';
        log_line("Could not find or create a '$type' task for hosting context '" . ($words[0] ?? '') . "'.", 'error');
        return 1;
    }
    if (in_array($task['nid'], $config['refuse_nids'] ?? [], false)) {
        journal_task('refused', $task, ['reason' => 'sandbox']);
        log_line('This task cannot be started', 'error');
        return 1;
    }
    if (!$force && $task['status'] !== 0) {
        $running = $task['status'] === -1;
        journal_task('refused', $task, ['reason' => $running ? 'running' : 'not-queued']);
        log_line($running ? 'This task is already running, use --force' : 'This task is not queued, use --force', 'error');
        return 1;
    }
    // Between the look and the save nothing holds the row: of two that start at once both may run.
    pause_ms((int) ($config['guard_gap_ms'] ?? 0));
    $task['vid'] = start_task($database, $task);
    register_shutdown_function('end_task', $database, $task);
    journal_task('start', $task);
    if (isset($config['site']) && $task['type'] === 'verify' && $task['context'] === 'hostmaster') {
        add_log($database, $task, after_hostmaster_verify());
    }
    return work($database, $task);
}

function load_task(mysqli $database, int $nid): ?array
{
    $row = $database->query(
        'SELECT t.vid, n.title, t.task_type, t.rid, t.task_status, c.name FROM node n JOIN hosting_task t ON t.vid = n.vid'
        . " LEFT JOIN hosting_context c ON c.nid = t.rid WHERE n.nid = $nid AND n.type = 'task'"
    )->fetch_assoc();
    if ($row === null) {
        return null;
    }
    $vid = (int) $row['vid'];
    $arguments = [];
    foreach ($database->query("SELECT name, value FROM hosting_task_arguments WHERE vid = $vid") as $argument) {
        $arguments[$argument['name']] = $argument['value'];
    }
    return [
        'nid' => $nid,
        'queued_vid' => $vid,
        'vid' => null,
        'title' => $row['title'],
        'type' => (string) $row['task_type'],
        'rid' => (int) $row['rid'],
        'status' => (int) $row['task_status'],
        'context' => (string) ($row['name'] ?? $row['rid']),
        'arguments' => $arguments,
    ];
}

function node_exists(mysqli $database, int $nid): bool
{
    return $database->query("SELECT 1 FROM node WHERE nid = $nid")->num_rows > 0;
}

function create_task(mysqli $database, string $context, string $type, array $arguments): ?int
{
    $statement = $database->prepare('SELECT nid FROM hosting_context WHERE name = ?');
    $name = ltrim($context, '@');
    $statement->bind_param('s', $name);
    $statement->execute();
    $rid = $statement->get_result()->fetch_row()[0] ?? null;
    if ($rid === null) {
        return null;
    }
    $now = (int) sandbox_time();
    $title = $database->real_escape_string("$type of $name");
    $type = $database->real_escape_string($type);
    $database->begin_transaction();
    $database->query("INSERT INTO node (type, language, title, uid, created, changed) VALUES ('task', 'und', '$title', 1, $now, $now)");
    $nid = (int) $database->insert_id;
    $database->query("INSERT INTO node_revision (nid, uid, title, log, timestamp) VALUES ($nid, 1, '$title', '', $now)");
    $vid = (int) $database->insert_id;
    $database->query("UPDATE node SET vid = $vid WHERE nid = $nid");
    $database->query("INSERT INTO hosting_task (vid, nid, task_type, rid, task_status) VALUES ($vid, $nid, '$type', $rid, 0)");
    $named = [];
    foreach ($arguments as $argument) {
        [$name, $value] = explode('=', $argument, 2) + [1 => ''];
        $named[$name] = $value;
    }
    add_arguments($database, $vid, $nid, $named);
    $database->query("INSERT INTO node_access (nid, gid, realm, grant_view) VALUES ($nid, 1, 'hosting task', 1)");
    $database->commit();
    return $nid;
}

/** Saves the new revision, in one transaction; the row of the old one keeps status 0 for ever. */
function start_task(mysqli $database, array $task): int
{
    // Plain values, as Drupal inserts them: INSERT … SELECT would lock what it reads, and two starts at once deadlock.
    [$nid, $rid, $now] = [$task['nid'], $task['rid'], (int) sandbox_time()];
    [$title, $type] = array_map([$database, 'real_escape_string'], [$task['title'], $task['type']]);
    $database->begin_transaction();
    $database->query("INSERT INTO node_revision (nid, uid, title, log, timestamp) VALUES ($nid, 1, '$title', '', $now)");
    $vid = (int) $database->insert_id;
    $database->query(
        "INSERT INTO hosting_task (vid, nid, task_type, rid, task_status, executed) VALUES ($vid, $nid, '$type', $rid, -1, $now)"
    );
    add_arguments($database, $vid, $nid, $task['arguments']);
    $database->query("UPDATE node SET vid = $vid, changed = $now WHERE nid = $nid");
    $database->commit();
    add_log($database, ['vid' => $vid] + $task, [['queue', 'Task starts processing.', '']]);
    return $vid;
}

function add_arguments(mysqli $database, int $vid, int $nid, array $arguments): void
{
    $values = [];
    foreach ($arguments as $name => $value) {
        [$name, $value] = array_map([$database, 'real_escape_string'], [(string) $name, (string) $value]);
        $values[] = "($vid, $nid, '$name', '$value')";
    }
    if ($values !== []) {
        $database->query('INSERT INTO hosting_task_arguments (vid, nid, name, value) VALUES ' . implode(', ', $values));
    }
}

/** @param array $rows list of [type, message, error] */
function add_log(mysqli $database, array $task, array $rows): void
{
    foreach (array_chunk($rows, 500) as $chunk) {
        $values = [];
        foreach ($chunk as $row) {
            [$type, $message, $error] = array_map([$database, 'real_escape_string'], $row);
            $values[] = "({$task['vid']}, {$task['nid']}, '$type', '$message', '$error', " . (int) sandbox_time() . ')';
        }
        $database->query(
            'INSERT INTO hosting_task_log (vid, nid, type, message, error, timestamp) VALUES ' . implode(', ', $values)
        );
    }
}

/** The shutdown function: PHP calls it at every end but death by signal. */
function end_task(mysqli $database, array $task): void
{
    if (!work_completed()) {
        // exit() and fatal errors in the task's own process.
        try {
            $message = 'Drush command terminated abnormally due to an unrecoverable error.';
            add_log($database, $task, [['error', $message, 'DRUSH_EXECUTION_ABORTED']]);
        } catch (mysqli_sql_exception $e) {
            exit(255);
        }
    }
    pause_ms((int) ($task['arguments']['sandbox_shutdown_ms'] ?? 0));
    try {
        $types = [];
        foreach ($database->query("SELECT DISTINCT type FROM hosting_task_log WHERE vid = {$task['vid']}") as $row) {
            $types[] = $row['type'];
        }
        $status = array_intersect(['error', 'failed'], $types) ? 2 : (in_array('warning', $types, true) ? 3 : 1);
        $database->query("UPDATE hosting_task SET task_status = $status WHERE vid = {$task['vid']}");
    } catch (mysqli_sql_exception $e) {
        exit(255);
    }
    journal_task('end', $task, ['status' => $status]);
    if (!work_completed()) {
        exit(1);
    }
}

function journal_task(string $event, array $task, array $more = []): void
{
    $keys = ['nid', 'vid', 'queued_vid', 'rid', 'type'];
    journal(['event' => $event] + array_intersect_key($task, array_flip($keys)) + $more);
}
