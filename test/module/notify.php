<?php

/**
 * @file
 * Saves a task as Drupal would, with the module's own hooks around it.
 *
 * Usage: php notify.php SOCKET [STATUS]. Without a status the task is queued.
 * Prints JSON: whether a shutdown function was registered, whether the daemon
 * was told, and how many milliseconds that took.
 */

error_reporting(E_ALL);
ini_set('display_errors', 'stderr');
set_error_handler('notify_error');
require dirname(__FILE__) . '/stand-in.php';
require dirname(dirname(dirname(__FILE__))) . '/drupal-module/hosting_skynet/hosting_skynet.module';

function notify_error($code, $message) {
  if (error_reporting() & $code) {
    fwrite(STDERR, $message . "\n");
    exit(2);
  }
  return TRUE;
}

StandIn::$variables['hosting_skynet_wake_socket'] = isset($argv[1]) ? $argv[1] : '';
$status = isset($argv[2]) ? (int) $argv[2] : HOSTING_TASK_QUEUED;
hosting_skynet_node_insert((object) array('type' => 'task', 'nid' => 1, 'task_status' => $status));

// The transaction has been committed; now Drupal shuts down.
$registered = count(StandIn::$shutdown) === 1;
$start = microtime(TRUE);
$told = StandIn::shutDown() === TRUE;
print json_encode(array(
  'registered' => $registered,
  'told' => $told,
  'ms' => round((microtime(TRUE) - $start) * 1000, 3),
)) . "\n";
