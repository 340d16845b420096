<?php

use PHPUnit\Framework\TestCase;

/**
 * Enabling, disabling, uninstalling, and the status report.
 */
class InstallTest extends TestCase {

  protected function setUp(): void {
    StandIn::reset();
  }

  /**
   * Enables or disables the module as hosting's features form does.
   */
  private function byForm($enable) {
    // The page was loaded, with a checkbox for each feature.
    $queued = (int) module_exists('hosting_queued');
    if ($enable) {
      variable_set('hosting_feature_skynet', 1);
      module_enable(array('hosting_skynet'));
      // hosting_feature_rebuild_caches().
      StandIn::record('verify queued');
    }
    else {
      module_disable(array('hosting_skynet'));
    }
    // system_settings_form_submit().
    variable_set('hosting_feature_queued', $queued);
    variable_set('hosting_feature_skynet', (int) $enable);
    StandIn::shutDown();
  }

  public function testEnablingInTheFormQueuesOneVerifyAlsoWhileHostingQueuedIsOn() {
    StandIn::$modules[] = 'hosting_queued';
    StandIn::$variables['hosting_feature_queued'] = 1;
    $this->byForm(TRUE);
    $this->assertCount(1, StandIn::callsOf('verify queued'));
    $this->assertFalse(module_exists('hosting_queued'));
  }

  public function testEnablingWithDrushQueuesOneVerifyAlsoWhileHostingDoesNotKnowTheFeatureYet() {
    foreach (array(array('hosting_queued' => 'queued'), array('hosting_queued' => 'queued', 'hosting_skynet' => 'skynet')) as $cached) {
      StandIn::reset();
      StandIn::$features = $cached;
      StandIn::$modules[] = 'hosting_queued';
      StandIn::$variables['hosting_feature_queued'] = 1;
      module_enable(array('hosting_skynet'));
      $this->assertCount(1, StandIn::callsOf('verify queued'));
    }
  }

  public function testEnablingChangesNothingOfAegirWhereHostingQueuedIsOff() {
    $before = StandIn::$variables;
    module_enable(array('hosting_skynet'));
    $changed = array_keys(array_diff_key(StandIn::$variables, $before));
    sort($changed);
    $this->assertSame(array('hosting_feature_skynet', 'hosting_skynet_config', 'hosting_skynet_enabled'), $changed);
    $this->assertSame(1, StandIn::$variables['hosting_skynet_enabled']);
    $this->assertSame(array(), StandIn::callsOf('module_disable'));
  }

  public function testEnablingDoesItsStepsInAnOrderThatSurvivesBeingInterrupted() {
    StandIn::$modules[] = 'hosting_queued';
    StandIn::$variables['hosting_feature_queued'] = 1;
    StandIn::$variables['hosting_queue_tasks_enabled'] = FALSE;
    hosting_skynet_enable();
    // What was there is remembered before any of it changes.
    $this->assertSame(array(
      'variable_set hosting_skynet_enabled 1',
      'variable_set hosting_skynet_config array',
      'variable_set hosting_skynet_before array',
      'variable_set hosting_feature_queued 0',
      'module_disable ["hosting_queued"] false',
      'variable_set hosting_queue_tasks_enabled true',
      'cache_clear_all hosting_features cache',
    ), StandIn::$calls);
  }

  /**
   * @dataProvider befores
   */
  public function testDisablingAndUninstallingPutsBackExactlyWhatWasThere($modules, $variables) {
    foreach (array('drush', 'form') as $way) {
      StandIn::reset();
      StandIn::$modules = $modules;
      StandIn::$variables = $variables;
      $way === 'form' ? $this->byForm(TRUE) : module_enable(array('hosting_skynet'));
      if (in_array('hosting_queued', $modules)) {
        // Until Skynet runs cron must, for the verify that writes its configuration.
        $this->assertTrue(StandIn::$variables['hosting_queue_tasks_enabled']);
      }
      StandIn::$calls = array();
      $way === 'form' ? $this->byForm(FALSE) : module_disable(array('hosting_skynet'));
      StandIn::shutDown();
      $this->assertCount(1, StandIn::callsOf('verify queued'));
      $this->assertSame(0, StandIn::$variables['hosting_skynet_enabled']);
      hosting_skynet_uninstall();
      // The form itself stores a checkbox of every feature.
      $expected = $variables + ($way === 'form' && !in_array('hosting_queued', $modules) ? array('hosting_feature_queued' => 0) : array());
      ksort($expected);
      ksort(StandIn::$variables);
      sort($modules);
      sort(StandIn::$modules);
      $this->assertSame($expected, StandIn::$variables, $way);
      $this->assertSame($modules, StandIn::$modules, $way);
    }
  }

  public static function befores() {
    $hosting = array('hosting', 'hosting_task');
    $queued = array('hosting', 'hosting_task', 'hosting_queued');
    return array(
      'cron runs the queue' => array($hosting, array()),
      'cron runs the queue, by the form' => array($hosting, array('hosting_queue_tasks_enabled' => TRUE)),
      'nobody runs the queue' => array($hosting, array('hosting_queue_tasks_enabled' => 0)),
      'hosting_queued by the form' => array($queued, array('hosting_feature_queued' => 1, 'hosting_queue_tasks_enabled' => FALSE)),
      'hosting_queued, and cron as well' => array($queued, array('hosting_feature_queued' => 1, 'hosting_queue_tasks_enabled' => TRUE)),
      'hosting_queued, never stored by the form' => array($queued, array('hosting_queue_tasks_enabled' => FALSE)),
      'paused by an operator' => array($queued, array('hosting_queued_paused' => '1')),
    );
  }

  public function testDisablingEndsThePauseOfAnUpgradeAndNoOther() {
    StandIn::$variables['hosting_queued_paused'] = 1;
    hosting_skynet_disable();
    $this->assertSame(1, StandIn::$variables['hosting_queued_paused']);
    StandIn::$variables['hosting_skynet_upgrade_pause'] = 1700000000;
    hosting_skynet_disable();
    $this->assertSame(0, StandIn::$variables['hosting_queued_paused']);
    $this->assertArrayNotHasKey('hosting_skynet_upgrade_pause', StandIn::$variables);
  }

  public function testCronKeepsTheQueueIfHostingQueuedIsNotThereAnyMore() {
    StandIn::$modules[] = 'hosting_queued';
    StandIn::$variables['hosting_queue_tasks_enabled'] = FALSE;
    hosting_skynet_enable();
    StandIn::$known = array_diff(StandIn::$known, array('hosting_queued'));
    hosting_skynet_disable();
    $this->assertTrue(StandIn::$variables['hosting_queue_tasks_enabled']);
    $this->assertCount(1, StandIn::callsOf('watchdog'));
  }

  public function testHostingQueuedThatSomebodyEnabledMeanwhileIsNotEnabledAgain() {
    StandIn::$modules[] = 'hosting_queued';
    hosting_skynet_enable();
    StandIn::$modules[] = 'hosting_queued';
    hosting_skynet_disable();
    $this->assertSame(array(), StandIn::callsOf('module_enable'));
  }

  public function testTheUpdateInstallsWhatAnOlderModuleOfThisNameDidNot() {
    StandIn::$daemons = NULL;
    hosting_skynet_update_7100();
    $this->assertCount(1, StandIn::callsOf('drupal_install_schema hosting_skynet'));
    $this->assertSame(1, StandIn::$variables['hosting_skynet_enabled']);
    StandIn::$daemons = array();
    StandIn::$calls = array();
    hosting_skynet_update_7100();
    $this->assertSame(array(), StandIn::$calls);
  }

  public function testTheSchemaHasTheColumnsThatTheDaemonWrites() {
    $schema = hosting_skynet_schema();
    $this->assertSame(array('id', 'host', 'pid', 'version', 'state', 'started', 'heartbeat', 'snapshot'), array_keys($schema['hosting_skynet_daemon']['fields']));
    $this->assertSame(array('id'), $schema['hosting_skynet_daemon']['primary key']);
  }

  public function testTheStatusReportIsEmptyOutsideOfRuntime() {
    $this->assertSame(array(), hosting_skynet_requirements('install'));
    $this->assertSame(array(), hosting_skynet_requirements('update'));
  }

  /**
   * @dataProvider reports
   */
  public function testTheStatusReport($daemons, $variables, $key, $severity, $text) {
    StandIn::$daemons = $daemons;
    StandIn::$variables += $variables;
    $report = hosting_skynet_requirements('runtime');
    if ($severity === NULL) {
      $this->assertArrayNotHasKey($key, $report);
      return;
    }
    $this->assertSame($severity, $report[$key]['severity'], $report[$key]['value']);
    $this->assertStringContainsString($text, $report[$key]['value'] . ' ' . (isset($report[$key]['description']) ? $report[$key]['description'] : ''));
  }

  public static function reports() {
    StandIn::reset();
    $now = time();
    $leader = array(StandIn::daemon());
    $paused = array(StandIn::daemon(array('state' => 'paused', 'snapshot' => json_encode(array('paused' => array('by' => 'skynet pause', 'since' => $now - 60, 'reason' => '<b>moving</b>'))))));
    $config = array('time' => $now, 'mtime' => $now - 1000, 'error' => '');
    return array(
      'no table' => array(NULL, array(), 'hosting_skynet', REQUIREMENT_ERROR, 'update.php'),
      'never seen' => array(array(), array(), 'hosting_skynet', REQUIREMENT_ERROR, 'Never seen'),
      'leads' => array($leader, array(), 'hosting_skynet', REQUIREMENT_OK, 'leader on server, version 1.0.0'),
      'three intervals' => array(array(StandIn::daemon(array('heartbeat' => $now - 90))), array(), 'hosting_skynet', REQUIREMENT_OK, 'last report'),
      'older than three intervals' => array(array(StandIn::daemon(array('heartbeat' => $now - 300))), array(), 'hosting_skynet', REQUIREMENT_ERROR, 'Silent'),
      'three intervals by the setting' => array(array(StandIn::daemon(array('heartbeat' => $now - 40))), array('hosting_skynet_heartbeat_interval' => 10), 'hosting_skynet', REQUIREMENT_ERROR, 'Silent'),
      'with a standby' => array(array(StandIn::daemon(), StandIn::daemon(array('host' => 'second', 'state' => 'standby'))), array(), 'hosting_skynet', REQUIREMENT_OK, 'Standing by: second.'),
      'standby alone' => array(array(StandIn::daemon(array('state' => 'standby'))), array(), 'hosting_skynet', REQUIREMENT_WARNING, 'none leads'),
      'not paused' => array($leader, array(), 'hosting_skynet_pause', NULL, NULL),
      'paused by the variable' => array($leader, array('hosting_queued_paused' => '1'), 'hosting_skynet_pause', REQUIREMENT_WARNING, 'Paused'),
      'paused by an upgrade' => array($leader, array('hosting_queued_paused' => 1, 'hosting_skynet_upgrade_pause' => $now - 7200), 'hosting_skynet_pause', REQUIREMENT_WARNING, ' sec by an upgrade of Aegir'),
      'paused on the server' => array($paused, array(), 'hosting_skynet_pause', REQUIREMENT_WARNING, '&lt;b&gt;moving'),
      'no other runner' => array($leader, array(), 'hosting_skynet_runners', NULL, NULL),
      'configuration as it should be' => array($leader, array('hosting_skynet_config' => $config), 'hosting_skynet_config', NULL, NULL),
      'configuration not written' => array($leader, array('hosting_skynet_config' => array('error' => 'disk <full>') + $config), 'hosting_skynet_config', REQUIREMENT_WARNING, 'disk &lt;full&gt;'),
      'configuration not loaded' => array(array(StandIn::daemon(array('snapshot' => '{"config_mtime":5}'))), array('hosting_skynet_config' => $config), 'hosting_skynet_config', REQUIREMENT_WARNING, 'Not loaded'),
      'no other modules' => array($leader, array(), 'hosting_skynet_query', NULL, NULL),
    );
  }

  public function testTheStatusReportNamesOtherRunnersAndModulesThatAlterTheQuery() {
    StandIn::$modules[] = 'hosting_queued';
    StandIn::$implementations['query_hosting_get_new_tasks_alter'] = array('my_order');
    $report = hosting_skynet_requirements('runtime');
    $this->assertStringContainsString('hosting_queued', $report['hosting_skynet_runners']['value']);
    $this->assertStringContainsString('my_order', $report['hosting_skynet_query']['value']);
  }

  public function testTheStatusReportSaysWhenAVerifyDidNotLookAfterTheConfiguration() {
    StandIn::$variables['hosting_skynet_config'] = array('time' => 1000, 'mtime' => 1000, 'error' => '');
    StandIn::$lastVerify = '1001';
    $report = hosting_skynet_requirements('runtime');
    $this->assertStringContainsString('Older than the last verify', $report['hosting_skynet_config']['value']);
    StandIn::$lastVerify = '999';
    $this->assertArrayNotHasKey('hosting_skynet_config', hosting_skynet_requirements('runtime'));
  }

  public function testAFreshlyEnabledModuleDoesNotBlameAnEarlierVerify() {
    StandIn::$lastVerify = (string) (time() - 60);
    hosting_skynet_enable();
    $this->assertArrayNotHasKey('hosting_skynet_config', hosting_skynet_requirements('runtime'));
  }

}
