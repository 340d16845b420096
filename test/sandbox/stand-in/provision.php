<?php
/**
 * The backend of a task: `provision-<type>` on a context. It holds no lock and no database connection, and does not notice
 * when the drush that called it is killed: it goes on until its own time is over.
 */

require __DIR__ . '/environment.php';

$job = ['ms' => 0, 'end' => 'success'];
foreach ($argv as $word) {
    if (preg_match('/^(\w+)=(.*)$/', $word, $match)) {
        $job[$match[1]] = $match[2];
    }
}
$task = ['nid' => (int) $job['nid'], 'vid' => (int) $job['vid'], 'rid' => (int) $job['rid'], 'type' => $job['type']];
journal(['event' => 'backend-start'] + $task);
pause_ms((int) $job['ms']);
journal(['event' => 'backend-end'] + $task);
end_abruptly($job['end']);
if ($job['end'] === 'unnoticed') {
    exit;
}
// drush ends its backend's output with a packet; without it the caller knows that the backend came to an untimely end.
echo 'DRUSH_BACKEND_OUTPUT_START>>>{}<<<DRUSH_BACKEND_OUTPUT_END';
