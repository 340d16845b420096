<?php
/**
 * What a task does between its start and its end, as its arguments say:
 *
 *   sandbox_ms            how long the task lasts at least, from its start
 *   sandbox_until         lasts besides until this file is in the home
 *   sandbox_log           rows of type notice that it writes to its log; 3 unless given
 *   sandbox_log_every_ms  pause after each of them; all are written at once unless given
 *   sandbox_log_stamp     1: each row ends with the time of its writing, and is printed as well
 *   sandbox_end           success; warning: a warning in the log; error: an error and exit status 1;
 *                         logged_error: an error in the log alone, exit status 0; exit, die, fatal, memory: PHP
 *                         ends that way (in the backend where there is one)
 *   sandbox_shutdown_ms   pause between delta and the final status
 *   sandbox_backend_ms    runs a backend (provision-<type>) for so long and waits for it; none unless given
 *   sandbox_hang          1: never ends by itself
 *   sandbox_ignore_term   1: ignores TERM, and so do its children
 *   sandbox_outlive_ms    leaves a child behind for so long, in its session
 *   sandbox_outlive_as    what that child looks like: provision (unless given) or sleep; own-session: a sleep that has
 *                         made a session of its own
 *   sandbox_close_output  1: closes its standard output and error
 *   sandbox_print         text that it prints
 *   sandbox_print_bytes   1: prints a line that is not UTF-8 and holds control characters
 *   sandbox_print_mb      mebibytes of lines that it prints
 *   sandbox_nested        CONTEXT TYPE [name=value …]: runs that with --force as a child and waits for it
 */

/** Whether the work came to its end, well or badly, and not to an exit() or a fatal error. */
function work_completed(?bool $set = null): bool
{
    static $completed = false;
    return $completed = $set ?? $completed;
}

/** @return int drush's exit status */
function work(mysqli $database, array $task): int
{
    $began = microtime(true);
    $given = fn(string $name, $default = null) => $task['arguments']["sandbox_$name"] ?? $default;
    $end = $given('end', 'success');
    $failures = [];

    if ($given('ignore_term')) {
        pcntl_signal(SIGTERM, SIG_IGN);
    }
    write_log_rows($database, $task, (int) $given('log', 3), (int) $given('log_every_ms', 0), (bool) $given('log_stamp'));
    print_output($given);
    if ($given('close_output')) {
        fclose(STDOUT);
        fclose(STDERR);
    }
    if ($given('outlive_ms') !== null) {
        leave_child($task, (int) $given('outlive_ms'), $given('outlive_as', 'provision'));
    }
    if ($given('nested') !== null && run_nested($given('nested')) !== 0) {
        $failures[] = 'The nested task failed';
    }
    if ($given('backend_ms') !== null) {
        if (!run_backend($task, (int) $given('backend_ms'), $end)) {
            $failures[] = 'The external command could not be executed due to an application error.';
        }
    } elseif (in_array($end, ABRUPT_ENDS, true)) {
        wait_until($began, (int) $given('ms', 0));
        end_abruptly($end);
    }
    wait_until($began, (int) $given('ms', 0));
    while ($given('until') !== null && !file_exists(getenv('HOME') . '/' . $given('until'))) {
        pause_ms(10);
    }
    while ($given('hang')) {
        sleep(3600);
    }

    $rows = array_map(fn($message) => ['error', $message, 'DRUSH_APPLICATION_ERROR'], $failures);
    if ($end === 'warning') {
        $rows[] = ['warning', 'The sandbox told this task to warn', ''];
    } elseif ($end === 'error' || $end === 'logged_error') {
        $rows[] = ['error', 'The sandbox told this task to fail', 'SANDBOX'];
    } elseif ($failures === []) {
        $rows[] = ['success', 'The task is done', ''];
    }
    add_log($database, $task, $rows);
    $database->query("UPDATE hosting_task SET delta = UNIX_TIMESTAMP() - executed WHERE vid = {$task['vid']}");
    work_completed(true);
    return $failures !== [] || $end === 'error' ? 1 : 0;
}

function wait_until(float $began, int $ms): void
{
    pause_ms($ms - (int) round((microtime(true) - $began) * 1000));
}

function write_log_rows(mysqli $database, array $task, int $count, int $everyMs, bool $stamp): void
{
    $rows = [];
    for ($number = 1; $number <= $count; $number++) {
        $rows[] = ['notice', "Line $number of $count", ''];
    }
    foreach ($everyMs > 0 ? array_chunk($rows, 1) : [$rows] as $chunk) {
        if ($stamp) {
            $chunk = array_map(fn(array $row) => [$row[0], sprintf('%s at %.3f', $row[1], microtime(true)), ''], $chunk);
            echo implode('', array_map(fn(array $row) => "$row[1]\n", $chunk));
        }
        add_log($database, $task, $chunk);
        pause_ms($everyMs);
    }
}

function print_output(callable $given): void
{
    echo $given('print', '');
    if ($given('print_bytes')) {
        echo "\xff\xfe\x80 not UTF-8 \xc3\x28 \x00 and a control \x1b[31m\n";
    }
    $line = str_repeat('0123456789abcdef', 63) . " of output\n";
    for ($mebibytes = (int) $given('print_mb', 0); $mebibytes > 0; $mebibytes--) {
        echo str_repeat($line, (int) ceil(1048576 / strlen($line)));
    }
}

function run_nested(string $words): int
{
    $command = array_merge([dirname(__DIR__) . '/drush', '@hostmaster', 'hosting-task'], explode(' ', $words), ['--force']);
    return proc_close(proc_open($command, [0 => ['file', '/dev/null', 'r']], $pipes));
}

/** Runs the backend and waits for it; false if it died or did not say that it had come to its end. */
function run_backend(array $task, int $ms, string $end): bool
{
    $command = provision_command($task, ['ms' => $ms, 'end' => $end]);
    $process = proc_open($command, [0 => ['file', '/dev/null', 'r'], 1 => ['pipe', 'w']], $pipes);
    $output = stream_get_contents($pipes[1]);
    return proc_close($process) === 0 && strpos($output, 'DRUSH_BACKEND_OUTPUT_END') !== false;
}

/** Leaves a child behind that nobody waits for, in the same session. */
function leave_child(array $task, int $ms, string $as): void
{
    if (pcntl_fork() !== 0) {
        return;
    }
    $sleep = ['/bin/sleep', (string) ($ms / 1000)];
    $commands = ['sleep' => $sleep, 'own-session' => array_merge(['/usr/bin/setsid'], $sleep)];
    $command = $commands[$as] ?? provision_command($task, ['ms' => $ms, 'end' => 'unnoticed']);
    pcntl_exec($command[0], array_slice($command, 1));
    // No shutdown function here: the task is the parent's.
    posix_kill(getmypid(), SIGKILL);
}
