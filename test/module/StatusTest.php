<?php

use PHPUnit\Framework\TestCase;

/**
 * What is made of the daemons' rows.
 */
class StatusTest extends TestCase {

  const NOW = 1700000000;

  protected function setUp(): void {
    StandIn::reset();
  }

  private function daemon($state, $age, $snapshot = array(), $host = 'server') {
    return (object) array(
      'state' => $state,
      'host' => $host,
      'heartbeat' => (string) (self::NOW - $age),
      'snapshot' => hosting_skynet_snapshot(json_encode($snapshot)),
    );
  }

  /**
   * @dataProvider queues
   */
  public function testTheDispatcherHasTheQueueUnlessAHeartbeatIsYoungerThanTenMinutes($expected, $daemons) {
    $rows = array();
    foreach ($daemons as $daemon) {
      $rows[] = $this->daemon($daemon[0], $daemon[1]);
    }
    $this->assertSame($expected, hosting_skynet_keeps_queue($rows, self::NOW));
  }

  public static function queues() {
    return array(
      'none ever' => array(FALSE, array()),
      'leads' => array(TRUE, array(array('leader', 5))),
      'just not too old' => array(TRUE, array(array('leader', 599))),
      'too old' => array(FALSE, array(array('leader', 600))),
      'paused' => array(TRUE, array(array('paused', 5))),
      'lost its database a moment ago' => array(TRUE, array(array('database-lost', 300))),
      'is being restarted' => array(TRUE, array(array('stopping', 30))),
      'has drained since the module was disabled' => array(FALSE, array(array('drained', 5))),
      'stands by since the module was disabled' => array(FALSE, array(array('disabled', 5))),
      'a standby, the leader died' => array(TRUE, array(array('leader', 3000), array('standby', 5))),
      'the clock ran a day ahead' => array(FALSE, array(array('leader', -86400))),
    );
  }

  public function testATableThatCannotBeReadKeepsNothingFromTheDispatcher() {
    $this->assertFalse(hosting_skynet_keeps_queue(NULL, self::NOW));
  }

  /**
   * @dataProvider starts
   */
  public function testNothingIsStartingOnlyIfASnapshotFromAfterThePauseSaysSo($expected, $state, $age, $snapshot) {
    $paused_at = self::NOW - 10;
    $this->assertSame($expected, hosting_skynet_nothing_is_starting(array($this->daemon($state, $age, $snapshot)), $paused_at, self::NOW, 60));
  }

  public static function starts() {
    $paused = array('by' => 'hosting_queued_paused', 'since' => self::NOW - 9, 'reason' => '');
    return array(
      'not seen the pause yet' => array(FALSE, 'leader', 20, array('starting' => 0, 'paused' => NULL)),
      'a heartbeat since, but without the pause' => array(FALSE, 'leader', 5, array('starting' => 0, 'paused' => NULL)),
      'seen, one is starting' => array(FALSE, 'paused', 5, array('starting' => 1, 'paused' => $paused)),
      'seen, nothing is starting' => array(TRUE, 'paused', 5, array('starting' => 0, 'paused' => $paused)),
      'in the same second' => array(TRUE, 'paused', 10, array('starting' => 0, 'paused' => $paused)),
      'another pause from before' => array(FALSE, 'paused', 20, array('starting' => 0, 'paused' => $paused)),
      'a standby starts nothing' => array(TRUE, 'standby', 20, array()),
      'dead for three intervals' => array(TRUE, 'leader', 181, array('starting' => 1)),
      'stopping' => array(TRUE, 'stopping', 5, array('starting' => 0)),
      'stopping with a start under way' => array(FALSE, 'stopping', 5, array('starting' => 1)),
      'damaged snapshot' => array(FALSE, 'leader', 5, 'nonsense'),
    );
  }

  public function testWithoutADaemonNothingIsStarting() {
    $this->assertTrue(hosting_skynet_nothing_is_starting(array(), 0, self::NOW, 60));
    $this->assertTrue(hosting_skynet_nothing_is_starting(NULL, 0, self::NOW, 60));
  }

  public function testTheLivingLeaderIsTheOneToHearAbout() {
    $dead = $this->daemon('leader', 5000, array(), 'dead');
    $standby = $this->daemon('standby', 1, array(), 'standby');
    $leader = $this->daemon('leader', 30, array(), 'leader');
    $pick = function ($daemons) {
      $daemon = hosting_skynet_main_daemon($daemons, self::NOW, 60);
      return $daemon ? $daemon->host : NULL;
    };
    $this->assertSame('leader', $pick(array($standby, $leader, $dead)));
    $this->assertSame('standby', $pick(array($standby, $dead)));
    $this->assertSame('dead', $pick(array($dead)));
    $this->assertNull($pick(array()));
    $this->assertNull($pick(NULL));
  }

  /**
   * @dataProvider snapshots
   */
  public function testADamagedSnapshotIsAnEmptyOneAndNeverAnError($json) {
    $snapshot = hosting_skynet_snapshot($json);
    $this->assertSame(array('running', 'waiting', 'stuck', 'waiting_count', 'starting', 'config_mtime', 'paused', 'paused_tasks'), array_keys($snapshot));
    foreach (array_merge($snapshot['running'], $snapshot['waiting'], $snapshot['stuck']) as $task) {
      $this->assertSame(array('int', 'int', 'int', 'str', 'str', 'str'), array_map(function ($value) {
        return substr(gettype($value), 0, 3);
      }, array_values(array_replace(array('nid' => 0, 'pid' => 0, 'since' => 0, 'type' => '', 'object' => '', 'reason' => ''), $task))));
    }
  }

  public static function snapshots() {
    return array(
      'absent' => array(NULL),
      'empty' => array(''),
      'cut off' => array('{"running":[{"nid":1'),
      'a number' => array('7'),
      'wrong types' => array('{"running":"x","waiting":[7,"a",null,[],{"nid":{},"since":"soon","type":[1]}],"stuck":{"a":3},"waiting_count":"many","starting":[],"paused":"yes","config_mtime":{}}'),
    );
  }

  public function testTheConfigurationIsFaultyIfNotWrittenNotLookedAfterOrNotLoaded() {
    $good = array('time' => 1000, 'mtime' => 500, 'error' => '');
    $this->assertSame('', hosting_skynet_config_fault($good, 990, 500, 2000));
    $this->assertSame('', hosting_skynet_config_fault($good, 0, 0, 2000));
    $this->assertSame('error', hosting_skynet_config_fault(array('error' => 'disk full') + $good, 990, 500, 2000));
    $this->assertSame('not written', hosting_skynet_config_fault($good, 1001, 500, 2000));
    $this->assertSame('not written', hosting_skynet_config_fault(array(), 5, 0, 2000));
    $this->assertSame('not loaded', hosting_skynet_config_fault($good, 990, 499, 2000));
    // A moment after the file was written that is as it should be.
    $this->assertSame('', hosting_skynet_config_fault($good, 990, 499, 600));
  }

}
