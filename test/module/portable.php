<?php

/**
 * @file
 * Calls every function of the module that Drupal, hosting and drush call.
 *
 * For versions of PHP that no PHPUnit of ours runs on: any notice, warning or
 * deprecation is fatal. Prints "ok", the version of PHP and the number of calls.
 */

error_reporting(-1);
ini_set('display_errors', '1');
set_error_handler('portable_error');

function portable_error($code, $message, $file, $line) {
  if (error_reporting() & $code) {
    print "not ok: $message in $file:$line\n";
    exit(1);
  }
  return TRUE;
}

function portable_same($expected, $found) {
  if ($expected !== $found) {
    throw new Exception('expected ' . var_export($expected, TRUE) . ', found ' . var_export($found, TRUE));
  }
}

function portable_run($root) {
  // Drush and the features form.
  StandIn::$modules[] = 'hosting_queued';
  module_enable(array('hosting_skynet'));
  portable_same(1, count(StandIn::callsOf('verify queued')));
  hosting_skynet_hosting_feature();
  hosting_skynet_schema();
  skynet_drush_command();

  // The drush hooks.
  StandIn::onHostmaster($root);
  drush_skynet_post_provision_verify();
  drush_skynet_post_provision_install();
  drush_skynet_pre_provision_migrate();
  drush_skynet_pre_provision_migrate_rollback();
  drush_skynet_post_provision_migrate();
  portable_same(1, preg_match('/^passwd = (".*")$/m', file_get_contents($root . '/config/skynet/skynet.conf'), $match));
  portable_same(StandIn::$options['db_passwd'], json_decode($match[1]));
  drush_skynet_hosting_pause_pre_validate('x');
  drush_skynet_hosting_pause_validate('x');
  drush_skynet_post_hosting_resume();
  portable_same(0, StandIn::$variables['hosting_queued_paused']);
  portable_same(TRUE, is_string(_skynet_queue_request('')));
  portable_same(array('context' => 'a', 'type' => 'b', 'arguments' => array()), _skynet_queue_request('{"context":"a","type":"b"}'));

  // Pages, with and without a daemon.
  $task = array('nid' => 1, 'type' => 'verify', 'object' => 'x', 'since' => 5, 'reason' => 'y', 'pid' => 6);
  $snapshot = json_encode(array('running' => array($task), 'waiting' => array($task), 'waiting_count' => 3, 'stuck' => array(1), 'paused' => array('by' => 'a', 'since' => 1, 'reason' => 'b')));
  foreach (array(NULL, array(), array(StandIn::daemon(array('heartbeat' => 5))), array(StandIn::daemon(array('snapshot' => $snapshot)), StandIn::daemon(array('state' => 'standby')))) as $daemons) {
    StandIn::$daemons = $daemons;
    StandIn::$path = 'hosting/tasks';
    hosting_skynet_init();
    hosting_skynet_requirements('runtime');
    StandIn::$arguments = array('hosting-dispatch');
    $queues = array('tasks' => array('enabled' => TRUE));
    hosting_skynet_hosting_processed_queues_alter($queues);
    portable_same(count((array) $daemons) !== 2, $queues['tasks']['enabled']);
    portable_page();
  }
  hosting_skynet_menu();
  hosting_skynet_theme();
  hosting_skynet_cron();

  // The wake-up.
  hosting_skynet_node_insert((object) array('type' => 'task', 'task_status' => 0));
  hosting_skynet_node_update((object) array('type' => 'site'));
  portable_same(FALSE, hosting_skynet_notify());

  module_disable(array('hosting_skynet'));
  portable_same(TRUE, module_exists('hosting_queued'));
  hosting_skynet_uninstall();
  hosting_skynet_update_7100();
}

function portable_page() {
  $form_state = array();
  $form = hosting_skynet_settings_form(array(), $form_state);
  $variables = array('daemons' => $form['status']['#daemons'], 'now' => time(), 'interval' => 60);
  template_preprocess_hosting_skynet_status($variables);
  extract($variables);
  ob_start();
  include dirname(dirname(dirname(__FILE__))) . '/drupal-module/hosting_skynet/templates/hosting-skynet-status.tpl.php';
  ob_end_clean();
  $form_state['values'] = array(
    'hosting_queued_paused' => 1,
    'hosting_skynet_concurrent_tasks' => '3',
    'hosting_skynet_heartbeat_interval' => '',
    'hosting_skynet_log_level' => 'info',
    'hosting_skynet_dispatcher_guard' => 1,
  );
  hosting_skynet_settings_form_validate($form, $form_state);
  hosting_skynet_settings_form_submit($form, $form_state);
}

require dirname(__FILE__) . '/bootstrap.php';

$root = test_folder();
mkdir($root . '/config', 0711);
try {
  portable_run($root);
  $result = 'ok ' . PHP_VERSION . ' ' . count(StandIn::$calls);
}
catch (Exception $e) {
  $result = 'not ok: ' . $e->getMessage();
}
test_remove($root);
print $result . "\n";
exit(strpos($result, 'ok ') === 0 ? 0 : 1);
