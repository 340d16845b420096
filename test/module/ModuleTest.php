<?php

use PHPUnit\Framework\TestCase;

/**
 * The hooks of the module, its page, and its form.
 */
class ModuleTest extends TestCase {

  protected function setUp(): void {
    StandIn::reset();
  }

  private function dispatched($arguments) {
    StandIn::$arguments = $arguments;
    $queues = array('tasks' => array('enabled' => TRUE), 'cron' => array('enabled' => TRUE));
    hosting_skynet_hosting_processed_queues_alter($queues);
    $this->assertTrue($queues['cron']['enabled']);
    return $queues['tasks']['enabled'];
  }

  public function testOnlyTheDispatcherFindsTheTaskQueueDisabledAndOnlyWhileADaemonLives() {
    StandIn::$daemons = array(StandIn::daemon());
    $this->assertFalse($this->dispatched(array('hosting-dispatch')));
    // The queues form would save what it finds.
    $this->assertTrue($this->dispatched(array()));
    $this->assertTrue($this->dispatched(array('hosting-tasks')));
    StandIn::$daemons = array(StandIn::daemon(array('heartbeat' => time() - 700)));
    $this->assertTrue($this->dispatched(array('hosting-dispatch')));
    StandIn::$daemons = NULL;
    $this->assertTrue($this->dispatched(array('hosting-dispatch')));
    $this->assertSame(array(), StandIn::$calls);
  }

  public function testTheGuardCanBeSwitchedOff() {
    StandIn::$daemons = array(StandIn::daemon());
    StandIn::$variables['hosting_skynet_dispatcher_guard'] = 0;
    $this->assertTrue($this->dispatched(array('hosting-dispatch')));
  }

  public function testAQueueThatIsNotThereIsNotInvented() {
    StandIn::$daemons = array(StandIn::daemon());
    StandIn::$arguments = array('hosting-dispatch');
    $queues = array();
    hosting_skynet_hosting_processed_queues_alter($queues);
    $this->assertSame(array(), $queues);
  }

  public function testAQueuedTaskArrangesOneHintForTheEndOfTheProcess() {
    $task = (object) array('type' => 'task', 'task_status' => '0');
    hosting_skynet_node_insert($task);
    hosting_skynet_node_update($task);
    $this->assertSame(array(array('hosting_skynet_notify')), StandIn::$shutdown);
  }

  public function testNothingElseArrangesAHint() {
    foreach (array('-1', 1, 2, 3, NULL, '', 'queued') as $status) {
      hosting_skynet_node_update((object) array('type' => 'task', 'task_status' => $status));
    }
    hosting_skynet_node_insert((object) array('type' => 'task'));
    hosting_skynet_node_insert((object) array('type' => 'site', 'task_status' => 0));
    $this->assertSame(array(), StandIn::$shutdown);
  }

  public function testTheHintIsOneByteOnTheSocket() {
    $path = sys_get_temp_dir() . '/hosting_skynet_' . getmypid() . '.sock';
    $server = stream_socket_server('unix://' . $path);
    try {
      StandIn::$variables['hosting_skynet_wake_socket'] = $path;
      $this->assertTrue(hosting_skynet_notify());
      $connection = stream_socket_accept($server, 1);
      $this->assertSame(1, strlen(stream_get_contents($connection)));
    }
    finally {
      fclose($server);
      unlink($path);
    }
  }

  public function testTheHintIsNoErrorWhateverIsAtThePath() {
    $folder = test_folder();
    $full = stream_socket_server('unix://' . $folder . '/full', $code, $message, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, stream_context_create(array('socket' => array('backlog' => 0))));
    file_put_contents($folder . '/file', '');
    // Nobody accepts: a queue of length 0 holds one connection.
    $waiting = stream_socket_client('unix://' . $folder . '/full');
    $start = microtime(TRUE);
    try {
      foreach (array('', '/none', $folder, $folder . '/file', $folder . '/full', '/' . str_repeat('x', 300), "/a\0b", array('x'), NULL) as $path) {
        StandIn::$variables['hosting_skynet_wake_socket'] = $path;
        $this->assertFalse(hosting_skynet_notify());
      }
      $this->assertLessThan(0.5, microtime(TRUE) - $start);
    }
    finally {
      fclose($waiting);
      fclose($full);
      test_remove($folder);
    }
  }

  public function testTheQueuePagesSayThatTheDaemonIsDown() {
    $seen = function ($path) {
      StandIn::$calls = array();
      StandIn::$path = $path;
      hosting_skynet_init();
      return count(StandIn::callsOf('drupal_set_message'));
    };
    foreach (array(array(), NULL, array(StandIn::daemon(array('heartbeat' => time() - 400)))) as $daemons) {
      StandIn::$daemons = $daemons;
      $this->assertSame(1, $seen('admin/hosting/queues'));
      $this->assertSame(1, $seen('hosting/tasks'));
      $this->assertSame(0, $seen('hosting/tasks/queue'));
      $this->assertSame(0, $seen('node/1'));
    }
    StandIn::$daemons = array(StandIn::daemon());
    $this->assertSame(0, $seen('admin/hosting/queues'));
  }

  /**
   * Renders the page's status as Drupal does.
   */
  private function status($daemons) {
    StandIn::$daemons = $daemons;
    $variables = array('daemons' => hosting_skynet_daemons(), 'now' => time(), 'interval' => 60);
    template_preprocess_hosting_skynet_status($variables);
    extract($variables);
    ob_start();
    include dirname(dirname(__DIR__)) . '/drupal-module/hosting_skynet/templates/hosting-skynet-status.tpl.php';
    return ob_get_clean();
  }

  public function testThePageShowsWhatRunsAndWhyTheOthersWait() {
    $html = $this->status(array(StandIn::daemon(array(
      'snapshot' => json_encode(array(
        'running' => array(array('nid' => 130, 'vid' => 136, 'type' => 'verify', 'object' => 'example.com', 'since' => time() - 5, 'pid' => 4242)),
        'waiting' => array(array('nid' => 131, 'type' => 'backup', 'object' => 'example.com', 'since' => time() - 3, 'reason' => 'waits for verify of the same site')),
        'waiting_count' => 12,
        'paused' => array('by' => 'operator', 'since' => time() - 60, 'reason' => 'moving house'),
        'paused_tasks' => array(
          array('type' => 'migrate', 'object' => '', 'by' => 'aegir', 'since' => time() - 60, 'until' => time() + 60, 'reason' => 'office hours'),
          array('type' => '', 'object' => 'shop.example.com'),
          array('type' => 'backup', 'object' => 'blog.example.com'),
        ),
        'stuck' => array(7),
      )),
    )), StandIn::daemon(array('host' => 'second', 'state' => 'standby'))));
    foreach (array('<a href="/node/130">verify example.com</a>', '[4242]', '<a href="/node/131">backup example.com</a>', 'waits for verify of the same site', 'and 11 more', 'sec: moving house', 'Tasks of the type migrate are paused, by aegir, for ', ', for another ', ' sec: office hours', 'Tasks of shop.example.com are paused.', 'Tasks of the type backup of blog.example.com are paused.', 'One task is marked', '[second]', '[standby]', 'messages status') as $text) {
      $this->assertStringContainsString($text, $html);
    }
  }

  public function testWhatClientsOfAegirChoseIsEscapedOnThePage() {
    $evil = '<script>alert(1)</script>';
    $html = $this->status(array(StandIn::daemon(array(
      'host' => $evil,
      'state' => $evil,
      'version' => $evil,
      'snapshot' => json_encode(array(
        'running' => array(array('nid' => $evil, 'type' => $evil, 'object' => $evil, 'since' => $evil, 'pid' => $evil)),
        'waiting' => array(array('nid' => 1, 'type' => $evil, 'object' => $evil, 'reason' => $evil)),
        'paused' => array('by' => $evil, 'reason' => $evil),
        'paused_tasks' => array(array('type' => $evil, 'object' => $evil, 'by' => $evil, 'reason' => $evil), $evil),
      )),
    )), StandIn::daemon(array('host' => $evil, 'pid' => $evil))));
    $this->assertStringNotContainsString('<script', $html);
    $this->assertStringContainsString('&lt;script', $html);
  }

  public function testThePageShowsADaemonThatIsGoneOrNeverWas() {
    $this->assertStringContainsString('No daemon has reported yet', $this->status(array()));
    $this->assertStringContainsString('No daemon has reported yet', $this->status(NULL));
    $this->assertStringContainsString('silent for', $this->status(array(StandIn::daemon(array('heartbeat' => time() - 400)))));
  }

  /**
   * Submits the form as it was built, with some values changed.
   */
  private function submit($changes, $between = NULL) {
    $form_state = array();
    $form = hosting_skynet_settings_form(array(), $form_state);
    $form_state['values'] = array('hosting_queued_paused' => $form['hosting_queued_paused']['#default_value']);
    foreach (array('concurrent_tasks', 'heartbeat_interval', 'log_level', 'dispatcher_guard') as $name) {
      $form_state['values']['hosting_skynet_' . $name] = (string) $form['settings']['hosting_skynet_' . $name]['#default_value'];
    }
    $form_state['values'] = $changes + $form_state['values'];
    if ($between) {
      $between();
    }
    hosting_skynet_settings_form_validate($form, $form_state);
    if (!StandIn::$formErrors) {
      hosting_skynet_settings_form_submit($form, $form_state);
    }
  }

  public function testTheFormStoresWhatTheDaemonReads() {
    $this->submit(array('hosting_skynet_concurrent_tasks' => ' 4 ', 'hosting_skynet_heartbeat_interval' => '30', 'hosting_skynet_log_level' => 'debug', 'hosting_skynet_dispatcher_guard' => 0));
    $this->assertSame(array(4, 30, 'debug', 0), array(
      StandIn::$variables['hosting_skynet_concurrent_tasks'],
      StandIn::$variables['hosting_skynet_heartbeat_interval'],
      StandIn::$variables['hosting_skynet_log_level'],
      StandIn::$variables['hosting_skynet_dispatcher_guard'],
    ));
    $this->submit(array('hosting_skynet_concurrent_tasks' => '', 'hosting_skynet_heartbeat_interval' => '', 'hosting_skynet_log_level' => ''));
    $this->assertArrayNotHasKey('hosting_skynet_concurrent_tasks', StandIn::$variables);
    $this->assertArrayNotHasKey('hosting_skynet_heartbeat_interval', StandIn::$variables);
    $this->assertArrayNotHasKey('hosting_skynet_log_level', StandIn::$variables);
  }

  public function testTheFormRefusesWhatTheDaemonCouldNotUse() {
    foreach (array('0', '-1', '1.5', 'many', '101', '1e1', "1\n1") as $value) {
      StandIn::reset();
      $this->submit(array('hosting_skynet_concurrent_tasks' => $value));
      $this->assertArrayHasKey('hosting_skynet_concurrent_tasks', StandIn::$formErrors);
    }
    foreach (array('4', '181') as $value) {
      StandIn::reset();
      $this->submit(array('hosting_skynet_heartbeat_interval' => $value));
      $this->assertArrayHasKey('hosting_skynet_heartbeat_interval', StandIn::$formErrors);
    }
  }

  public function testTheFormChangesThePauseOnlyIfThePersonDid() {
    // Paused by an upgrade after the page was loaded.
    $this->submit(array('hosting_skynet_concurrent_tasks' => '2'), function () {
      StandIn::$variables['hosting_queued_paused'] = 1;
      StandIn::$variables['hosting_skynet_upgrade_pause'] = 5;
    });
    $this->assertSame(1, StandIn::$variables['hosting_queued_paused']);
    $this->assertSame(5, StandIn::$variables['hosting_skynet_upgrade_pause']);

    $this->submit(array('hosting_queued_paused' => 0));
    $this->assertSame(0, StandIn::$variables['hosting_queued_paused']);
    $this->assertArrayNotHasKey('hosting_skynet_upgrade_pause', StandIn::$variables);

    $this->submit(array('hosting_queued_paused' => 1));
    $this->assertSame(1, StandIn::$variables['hosting_queued_paused']);
    $this->assertArrayNotHasKey('hosting_skynet_upgrade_pause', StandIn::$variables);
  }

  public function testThePageIsForThoseWhoMayAdministerTheQueues() {
    $items = hosting_skynet_menu();
    $this->assertSame(array('administer hosting queues'), $items['admin/hosting/skynet']['access arguments']);
    $this->assertFalse(function_exists('hosting_skynet_permission'));
    $this->assertFalse(function_exists('hosting_skynet_form_alter'));
  }

  public function testTheFilesThatTheHooksNameAreWhereDrupalLooksForThem() {
    $module = dirname(dirname(__DIR__)) . '/drupal-module/hosting_skynet';
    foreach (hosting_skynet_menu() as $item) {
      $this->assertFileExists($module . '/' . $item['file']);
    }
    foreach (hosting_skynet_theme() as $item) {
      // Drupal puts the path before both.
      $this->assertArrayNotHasKey('path', $item);
      $this->assertFileExists($module . '/' . $item['file']);
      $this->assertFileExists($module . '/' . $item['template'] . '.tpl.php');
    }
  }

  public function testTheFeatureIsTheModulesAndHasNeitherCallback() {
    $features = hosting_skynet_hosting_feature();
    $this->assertSame(array('skynet'), array_keys($features));
    $this->assertSame('hosting_skynet', $features['skynet']['module']);
    $this->assertArrayNotHasKey('enable', $features['skynet']);
    $this->assertArrayNotHasKey('disable', $features['skynet']);
  }

  public function testRowsOfMachinesThatAreGoneAreCleanedUp() {
    hosting_skynet_cron();
    $this->assertSame(array('db_delete hosting_skynet_daemon', 'condition heartbeat <'), StandIn::$calls);
  }

}
