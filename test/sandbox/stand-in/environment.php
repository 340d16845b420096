<?php
/** What surrounds a task: the sandbox's configuration, what drush prints, the journal that tests read, other programs. */

/** Read again each time, so that a test can change it under a running task. */
function read_config(): array
{
    $path = getenv('HOME') . '/.drush-sandbox.json';
    $config = is_readable($path) ? json_decode(file_get_contents($path), true) : null;
    if (!is_array($config)) {
        fwrite(STDERR, "The stand-in drush finds no configuration in $path\n");
        exit(1);
    }
    return $config;
}

const COLOURS = ['error' => "\033[31;40m\033[1m", 'warning' => "\033[1;33;40m\033[1m"];

function use_colour(?bool $set = null): bool
{
    static $colour = true;
    return $colour = $set ?? $colour;
}

/** drush prints at 80 columns: 69 for the message and 11 for its type, which a colour makes longer than that. */
function log_line(string $message, string $type): void
{
    $lines = explode("\n", wordwrap($message, 69, "\n", true));
    $label = use_colour() ? COLOURS[$type] . "[$type]\033[0m" : "[$type]";
    $text = sprintf("%-69s%11s\n", array_shift($lines), $label);
    foreach ($lines as $line) {
        $text .= "$line\n";
    }
    fwrite(STDERR, $text);
}

/** One line in one write at the end of the file, so that the lines of parallel processes do not mix. */
function journal(array $event): void
{
    $event += ['pid' => getmypid(), 'sid' => posix_getsid(0), 'pgid' => posix_getpgrp(), 'time' => microtime(true)];
    $path = read_config()['journal'] ?? null;
    if ($path !== null) {
        file_put_contents($path, json_encode($event, JSON_UNESCAPED_SLASHES) . "\n", FILE_APPEND);
    }
}

/** The command line of a provision command on a context, as drush calls it for the work of a task. */
function provision_command(array $task, array $job): array
{
    $posix = ini_get('extension_dir') . '/posix.so';
    $command = [PHP_BINARY, '-n'];
    if (is_file($posix)) {
        array_push($command, '-d', "extension=$posix");
    }
    array_push($command, __DIR__ . '/provision.php', '@' . $task['context'], 'provision-' . $task['type'], '--backend');
    foreach ($job + array_intersect_key($task, array_flip(['nid', 'vid', 'rid', 'type'])) as $name => $value) {
        $command[] = "$name=$value";
    }
    return $command;
}

function pause_ms(int $ms): void
{
    if ($ms > 0) {
        usleep($ms * 1000);
    }
}

const ABRUPT_ENDS = ['exit', 'die', 'fatal', 'memory'];

/** Returns where `how` is none of them. */
function end_abruptly(string $how): void
{
    switch ($how) {
        case 'exit':
            exit;
        case 'die':
            die('The sandbox told this process to die');
        case 'fatal':
            undefined_function_of_the_sandbox();
            break;
        case 'memory':
            ini_set('memory_limit', '16M');
            str_repeat('x', 64 << 20);
    }
}

/** Seconds since 1970, as the sandbox's clock has them: `clock` makes them pass faster from `origin` on. */
function sandbox_time(): float
{
    $clock = read_config()['clock'] ?? null;
    $now = microtime(true);
    return $clock === null ? $now : $clock['origin'] + ($now - $clock['origin']) * $clock['speed'];
}
