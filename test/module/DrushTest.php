<?php

use PHPUnit\Framework\TestCase;

/**
 * The drush hooks and the drush command.
 */
class DrushTest extends TestCase {

  private $root;

  protected function setUp(): void {
    StandIn::reset();
    $this->root = test_folder();
    mkdir($this->root . '/config', 0711);
    StandIn::onHostmaster($this->root);
  }

  protected function tearDown(): void {
    test_remove($this->root);
  }

  private function written() {
    $path = $this->root . '/config/skynet/skynet.conf';
    $values = array();
    foreach (is_file($path) ? file($path) : array() as $line) {
      if (preg_match('/^(\w+) = (".*")$/', $line, $match)) {
        $values[$match[1]] = json_decode($match[2]);
      }
    }
    return $values;
  }

  public function testAVerifyWritesTheFileMakesTheWakeFolderAndLeavesARecord() {
    drush_skynet_post_provision_verify();
    $this->assertSame(array(
      'host' => '127.0.0.1',
      'port' => '33306',
      'socket' => '',
      'db' => 'aegir',
      'user' => 'aegir',
      'passwd' => 's;e#c"r%e\'t $x',
    ), $this->written());
    clearstatcache();
    $this->assertSame(0710, fileperms($this->root . '/config/skynet-wake') & 07777);
    $this->assertSame(filegroup($this->root), filegroup($this->root . '/config/skynet-wake'));
    $this->assertSame($this->root . '/config/skynet-wake/wake', StandIn::$variables['hosting_skynet_wake_socket']);
    $this->assertSame('', StandIn::$variables['hosting_skynet_config']['error']);
    $this->assertSame(filemtime($this->root . '/config/skynet/skynet.conf'), StandIn::$variables['hosting_skynet_config']['mtime']);
    $this->assertSame(array(
      'drush_log ok Skynet: wrote ' . $this->root . '/config/skynet/skynet.conf.',
      'variable_set hosting_skynet_config array',
      'variable_set hosting_skynet_wake_socket ' . $this->root . '/config/skynet-wake/wake',
    ), StandIn::$calls);
    $this->assertSame(array(), StandIn::$errors);
  }

  public function testASecondVerifyWritesNothingAndSaysNothing() {
    drush_skynet_post_provision_verify();
    $path = $this->root . '/config/skynet/skynet.conf';
    $inode = fileinode($path);
    StandIn::$calls = array();
    drush_skynet_post_provision_verify();
    clearstatcache();
    $this->assertSame($inode, fileinode($path));
    $this->assertSame(array('variable_set hosting_skynet_config array'), StandIn::$calls);
  }

  public function testAnInstallOfTheHostmasterWritesTheFileToo() {
    drush_skynet_post_provision_install();
    $this->assertSame('aegir', $this->written()['db']);
  }

  /**
   * @dataProvider elsewhere
   */
  public function testNothingHappensAnywhereElse($change) {
    $change($this->root);
    foreach (array('post_provision_verify', 'post_provision_install', 'pre_provision_migrate', 'pre_provision_migrate_rollback', 'post_provision_migrate', 'hosting_pause_pre_validate', 'hosting_pause_validate', 'post_hosting_resume') as $hook) {
      $this->assertNull(call_user_func('drush_skynet_' . $hook));
    }
    $this->assertSame(array(), StandIn::$calls);
    $this->assertSame(array('.', '..'), scandir($this->root . '/config'));
  }

  public static function elsewhere() {
    return array(
      'the module is disabled' => array(function () {
        StandIn::$modules = array('hosting', 'hosting_task');
      }),
      'another site' => array(function ($root) {
        StandIn::$contexts['@site'] = (object) array('type' => 'site', 'name' => '@site', 'profile' => 'standard', 'root' => $root . '/p', 'uri' => 'site');
        StandIn::$context = '@site';
      }),
      'a hosted site made with the profile hostmaster' => array(function ($root) {
        StandIn::$contexts['@inner'] = (object) array('type' => 'site', 'name' => '@inner', 'profile' => 'hostmaster', 'root' => $root . '/hostmaster', 'uri' => 'inner');
        StandIn::$context = '@inner';
      }),
      'a server' => array(function () {
        StandIn::$context = '@server_master';
      }),
      'no context at all' => array(function () {
        StandIn::$context = '@gone';
      }),
    );
  }

  public function testDevshopsHostmasterAndOneOfAnotherNameAreTheHostmaster() {
    StandIn::$contexts['@hostmaster']->profile = 'devmaster';
    drush_skynet_post_provision_verify();
    $this->assertSame('aegir', $this->written()['db']);
    unlink($this->root . '/config/skynet/skynet.conf');
    StandIn::$contexts['@aegir.example.com'] = clone StandIn::$contexts['@hostmaster'];
    StandIn::$contexts['@aegir.example.com']->name = '@aegir.example.com';
    StandIn::$context = '@aegir.example.com';
    drush_skynet_post_provision_verify();
    $this->assertSame('aegir', $this->written()['db']);
  }

  /**
   * @dataProvider failures
   */
  public function testAFailureIsAWarningARecordAndNoError($break, $warning) {
    $break($this->root);
    $this->assertNull(drush_skynet_post_provision_verify());
    $this->assertSame(array(), StandIn::$errors);
    $logged = StandIn::callsOf('drush_log warning');
    $this->assertCount(1, $logged);
    $this->assertStringContainsString($warning, $logged[0]);
    $this->assertStringContainsString($warning, StandIn::$variables['hosting_skynet_config']['error']);
    $this->assertStringNotContainsString('s;e#c', serialize(StandIn::$calls) . serialize(StandIn::$variables));
  }

  public static function failures() {
    return array(
      'the folder is in the way' => array(function ($root) {
        file_put_contents($root . '/config/skynet', '');
      }, 'cannot be made'),
      'the file is a folder' => array(function ($root) {
        mkdir($root . '/config/skynet/skynet.conf', 0700, TRUE);
      }, 'is a folder'),
      'a password that the file cannot hold' => array(function () {
        StandIn::$options['db_passwd'] = "s;e#c\n";
      }, 'the value of passwd holds a line break'),
      'no credentials' => array(function () {
        StandIn::$options = array();
      }, 'are not known'),
      'a web group that does not exist' => array(function () {
        StandIn::$contexts['@server_master']->web_group = 'no-such-group-here';
      }, 'cannot be given to the group'),
      'no web group' => array(function () {
        StandIn::$contexts['@server_master']->web_group = NULL;
      }, 'is not known'),
    );
  }

  public function testADatabaseThatIsGoneDuringTheRecordIsAWarning() {
    StandIn::$onVariableSet = function () {
      throw new Exception('SQLSTATE[HY000] s;e#c');
    };
    $this->assertNull(drush_skynet_post_provision_verify());
    $this->assertSame('aegir', $this->written()['db']);
    $this->assertCount(1, StandIn::callsOf('drush_log warning'));
    $this->assertStringNotContainsString('s;e#c', serialize(StandIn::$calls));
  }

  public function testWhatTheSiteContextSaysComesBeforeTheOptions() {
    StandIn::$options['site'] = array('db_host' => 'localhost', 'db_name' => 'site', 'db_user' => 'site', 'db_passwd' => 'site');
    drush_skynet_post_provision_verify();
    $this->assertSame('site', $this->written()['db']);
    $this->assertSame((string) ini_get('pdo_mysql.default_socket'), $this->written()['socket']);
  }

  /**
   * In a process of its own: the class must not be there in the other tests.
   *
   * @runInSeparateProcess
   * @preserveGlobalState disabled
   */
  public function testWhatDrupalIsConnectedWithComesFirst() {
    require __DIR__ . '/stand-in-database.php';
    StandIn::$options['site'] = array('db_name' => 'old', 'db_user' => 'old', 'db_passwd' => 'old');
    drush_skynet_post_provision_verify();
    $this->assertSame(array('db.example.com', '3307', '', 'connected', 'c', 'pw'), array_values($this->written()));
  }

  private function migrated($credentials) {
    $folder = $this->root . '/new/sites/aegir.example.com';
    mkdir($folder, 0755, TRUE);
    StandIn::$options['new_site_path'] = $folder;
    $php = "<?php\n";
    foreach ($credentials as $key => $value) {
      $php .= '$options[' . var_export($key, TRUE) . '] = ' . var_export($value, TRUE) . ";\n";
    }
    file_put_contents($folder . '/drushrc.php', $php);
  }

  public function testAMigrateTakesTheNewSitesCredentialsNotTheOldOnesItStillHas() {
    $this->migrated(array('db_host' => 'localhost', 'db_port' => '3306', 'db_name' => 'new', 'db_user' => 'new', 'db_passwd' => "n'e\"w"));
    StandIn::$options['site'] = array('db_name' => 'old', 'db_user' => 'old', 'db_passwd' => 'old');
    drush_skynet_post_provision_migrate();
    $this->assertSame(array('new', 'new', "n'e\"w"), array_slice(array_values($this->written()), 3));
    // The old database may be dropped by now: no variable is set.
    $this->assertSame(array(), StandIn::callsOf('variable_set'));
  }

  public function testAMigrateWithoutTheNewSitesCredentialsLeavesTheFileAlone() {
    drush_skynet_post_provision_verify();
    StandIn::$calls = array();
    StandIn::$options['new_site_path'] = $this->root . '/nowhere';
    drush_skynet_post_provision_migrate();
    $this->assertSame('aegir', $this->written()['db']);
    $this->assertCount(1, StandIn::callsOf('drush_log warning'));
    $this->assertSame(array(), StandIn::$errors);
  }

  public function testAMigrateThatIsRolledBackBringsTheOldCredentialsBack() {
    drush_skynet_post_provision_verify();
    drush_skynet_pre_provision_migrate();
    // The new site's verify, in a process of its own, has written the new ones.
    $credentials = array('host' => 'h', 'port' => '1', 'socket' => '', 'db' => 'new', 'user' => 'new', 'passwd' => 'new');
    hosting_skynet_config_write($this->root . '/config/skynet/skynet.conf', hosting_skynet_config_render($credentials));
    StandIn::$options['db_name'] = 'new';
    drush_skynet_pre_provision_migrate_rollback();
    $this->assertSame('aegir', $this->written()['db']);
  }

  public function testAPauseIsSetWaitsForTheDaemonAndLetsAegirCountAgain() {
    StandIn::$daemons = array(StandIn::daemon());
    $reads = 0;
    StandIn::$onRead = function () use (&$reads) {
      $reads++;
      $paused = $reads > 1 ? array('by' => 'hosting_queued_paused', 'since' => time(), 'reason' => '') : NULL;
      StandIn::$daemons = array(StandIn::daemon(array(
        'state' => $paused ? 'paused' : 'leader',
        'snapshot' => json_encode(array('paused' => $paused, 'starting' => $reads < 3 ? 1 : 0)),
      )));
      StandIn::record('asked the daemon', $reads);
    };
    drush_skynet_hosting_pause_pre_validate('aegir.example.com');
    StandIn::record('hosting counts');
    drush_skynet_hosting_pause_validate('aegir.example.com');
    $marker = StandIn::$variables['hosting_skynet_upgrade_pause'];
    $this->assertSame(array(
      'variable_set hosting_skynet_upgrade_pause ' . $marker,
      'variable_set hosting_queued_paused 1',
      'drush_log ok Skynet: the queue is paused until hosting-resume.',
      'hosting counts',
      'asked the daemon 1',
      'asked the daemon 2',
      'asked the daemon 3',
      'running tasks counted aegir.example.com',
    ), StandIn::$calls);
    $this->assertEqualsWithDelta(time(), $marker, 5);
  }

  public function testAnOlderDrushThatKnowsNoPreValidationPausesAllTheSame() {
    drush_skynet_hosting_pause_validate('aegir.example.com');
    $this->assertSame(1, StandIn::$variables['hosting_queued_paused']);
    $this->assertCount(1, StandIn::callsOf('running tasks counted'));
  }

  public function testADaemonThatDoesNotAnswerIsWaitedForUpToTheLimitOnly() {
    StandIn::$daemons = array(StandIn::daemon());
    $start = microtime(TRUE);
    $this->assertFalse(_skynet_wait_until_nothing_starts(time(), 0.3));
    $this->assertLessThan(3, microtime(TRUE) - $start);
    StandIn::$daemons = array(StandIn::daemon(array('heartbeat' => time() - 200)));
    $this->assertTrue(_skynet_wait_until_nothing_starts(time(), 0.3));
  }

  public function testAPauseOfAnOperatorIsNeitherMarkedNorEnded() {
    StandIn::$variables['hosting_queued_paused'] = '1';
    drush_skynet_hosting_pause_validate('aegir.example.com');
    $this->assertArrayNotHasKey('hosting_skynet_upgrade_pause', StandIn::$variables);
    drush_skynet_post_hosting_resume();
    $this->assertSame('1', StandIn::$variables['hosting_queued_paused']);
  }

  public function testAResumeWritesTheFileFirstAndThenEndsThePauseOfTheUpgrade() {
    StandIn::$variables['hosting_queued_paused'] = 1;
    StandIn::$variables['hosting_skynet_upgrade_pause'] = 1700000000;
    drush_skynet_post_hosting_resume();
    $this->assertSame('aegir', $this->written()['db']);
    $this->assertSame(array(
      'drush_log ok Skynet: wrote ' . $this->root . '/config/skynet/skynet.conf.',
      'variable_set hosting_skynet_config array',
      'variable_set hosting_skynet_wake_socket ' . $this->root . '/config/skynet-wake/wake',
      'variable_set hosting_queued_paused 0',
      'variable_del hosting_skynet_upgrade_pause',
      'drush_log ok Skynet: the pause of the queue is over.',
    ), StandIn::$calls);
  }

  public function testASecondUpgradeAfterOneThatWasRolledBackTakesItsPauseOver() {
    StandIn::$variables['hosting_queued_paused'] = 1;
    StandIn::$variables['hosting_skynet_upgrade_pause'] = 1700000000;
    drush_skynet_hosting_pause_validate('aegir.example.com');
    $this->assertEqualsWithDelta(time(), StandIn::$variables['hosting_skynet_upgrade_pause'], 5);
  }

  public function testTheCommandReadsStandardInputAndNeedsTheModule() {
    $commands = skynet_drush_command();
    $this->assertSame(array('skynet-queue'), array_keys($commands));
    $this->assertArrayNotHasKey('arguments', $commands['skynet-queue']);
    $this->assertSame(array('hosting_skynet'), $commands['skynet-queue']['drupal dependencies']);
  }

  /**
   * @dataProvider requests
   */
  public function testADescriptionOfATaskIsReadOrSaysWhatIsWrong($json, $expected) {
    $request = _skynet_queue_request($json);
    if (is_string($expected)) {
      $this->assertIsString($request);
      $this->assertStringContainsString($expected, $request);
    }
    else {
      $this->assertSame($expected, $request);
    }
  }

  public static function requests() {
    return array(
      'short' => array('{"context":"@a","type":"verify"}', array('context' => '@a', 'type' => 'verify', 'arguments' => array())),
      'no arguments' => array('{"context":"@a","type":"verify","arguments":{}}', array('context' => '@a', 'type' => 'verify', 'arguments' => array())),
      'null arguments' => array('{"context":"@a","type":"verify","arguments":null}', array('context' => '@a', 'type' => 'verify', 'arguments' => array())),
      'arguments' => array('{"context":"@a","type":"b","arguments":{"x":"1;$y","n":2,"t":true,"f":false}}', array('context' => '@a', 'type' => 'b', 'arguments' => array('x' => '1;$y', 'n' => 2, 't' => 1, 'f' => 0))),
      'nothing' => array('', 'as JSON'),
      'not JSON' => array('verify @a', 'as JSON'),
      'a text' => array('"x"', 'as JSON'),
      'no context' => array('{"type":"verify"}', '"context"'),
      'no type' => array('{"context":"@a"}', '"type"'),
      'type of a wrong kind' => array('{"context":"@a","type":["verify"]}', '"type"'),
      'empty context' => array('{"context":" ","type":"verify"}', '"context"'),
      'a misspelt key' => array('{"context":"@a","type":"verify","args":{}}', 'args'),
      'arguments that are a list' => array('{"context":"@a","type":"b","arguments":["x"]}', 'names and values'),
      'arguments that are a text' => array('{"context":"@a","type":"b","arguments":"x"}', 'names and values'),
      'an argument in an argument' => array('{"context":"@a","type":"b","arguments":{"x":{"y":1}}}', '"x"'),
      'too long' => array(str_repeat(' ', 1048577), 'megabyte'),
    );
  }

  /**
   * Runs the command with a text as its standard input.
   */
  private function queue($json) {
    $script = 'require ' . var_export(__DIR__ . '/bootstrap.php', TRUE) . ';'
      . 'StandIn::$nodes = array("example.com" => (object) array("nid" => 12, "type" => "site"));'
      . 'StandIn::$options = array("json" => ' . var_export(in_array('--json', func_get_args(), TRUE), TRUE) . ');'
      . '$result = drush_skynet_queue();'
      . 'print json_encode(array(StandIn::$printed, array_values(StandIn::$errors), StandIn::callsOf("hosting_add_task"), $result));';
    $process = proc_open(array(PHP_BINARY, '-d', 'error_reporting=-1', '-d', 'display_errors=1', '-r', $script), array(array('pipe', 'r'), array('pipe', 'w')), $pipes);
    fwrite($pipes[0], $json);
    fclose($pipes[0]);
    $output = stream_get_contents($pipes[1]);
    proc_close($process);
    $this->assertNotNull(json_decode($output), $output);
    return json_decode($output, TRUE);
  }

  public function testTheCommandQueuesTheTaskAndPrintsItsNid() {
    $this->assertSame(array(array('4711'), array(), array('hosting_add_task 12 backup {"description":"by hand"}'), NULL), $this->queue('{"context":"@example.com","type":"backup","arguments":{"description":"by hand"}}'));
    $this->assertSame(array('{"nid":4711}'), $this->queue('{"context":"example.com","type":"verify"}', '--json')[0]);
  }

  public function testTheCommandNamesWhatItCannotQueue() {
    $cases = array(
      '{"context":"@nobody","type":"verify"}' => 'named @nobody',
      '{"context":"@example.com","type":"lock"}' => 'Known are: verify, backup, delete',
      '{"context":"@example.com","type":"delete"}' => 'refused',
      '' => 'standard input',
    );
    foreach ($cases as $json => $message) {
      list($printed, $errors, $added) = $this->queue($json);
      $this->assertSame(array(array(), array()), array($printed, $added));
      $this->assertCount(1, $errors);
      $this->assertStringContainsString($message, $errors[0]);
    }
  }

}
