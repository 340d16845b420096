<?php

use PHPUnit\Framework\TestCase;

/**
 * The writer of the daemon's configuration file.
 */
class ConfigTest extends TestCase {

  private $folder;

  protected function setUp(): void {
    $this->folder = test_folder();
  }

  protected function tearDown(): void {
    test_remove($this->folder);
  }

  private function credentials($values = array()) {
    return $values + array('host' => 'localhost', 'port' => '3306', 'socket' => '', 'db' => 'd', 'user' => 'u', 'passwd' => 'p');
  }

  private function read($content) {
    $values = array();
    foreach (explode("\n", $content) as $line) {
      if (preg_match('/^(\w+) = (".*")$/', $line, $match)) {
        $values[$match[1]] = json_decode($match[2]);
      }
    }
    return $values;
  }

  public function testEveryAsciiCharacterThatCanBeWrittenSurvivesInEveryValue() {
    $text = '';
    for ($code = 1; $code < 128; $code++) {
      $text .= $code === 10 || $code === 13 ? '' : chr($code);
    }
    $credentials = array_fill_keys(array('host', 'port', 'socket', 'db', 'user', 'passwd'), ' ' . $text . "\xC3\xBC\xE2\x82\xAC\xF0\x9F\x90\x98 ");
    $content = hosting_skynet_config_render($credentials);
    $this->assertSame($credentials, $this->read($content));
    $this->assertMatchesRegularExpression('/^[\x20-\x7F\n]*$/D', $content);
  }

  public function testTheFileHasTheDatabaseSectionAlone() {
    preg_match_all('/^\[.*$/m', hosting_skynet_config_render($this->credentials()), $sections);
    $this->assertSame(array('[database]'), $sections[0]);
  }

  /**
   * @dataProvider refused
   */
  public function testAValueThatTheFileCannotHoldIsRefusedAndNotPrinted($value, $why) {
    try {
      hosting_skynet_config_render($this->credentials(array('passwd' => $value)));
      $this->fail('not refused');
    }
    catch (InvalidArgumentException $e) {
      $this->assertStringContainsString('passwd', $e->getMessage());
      $this->assertStringContainsString($why, $e->getMessage());
      $this->assertStringNotContainsString('hush', $e->getMessage());
    }
  }

  public static function refused() {
    return array(
      'newline' => array("hush\nhush", 'line break'),
      'trailing newline' => array("hush\n", 'line break'),
      'carriage return' => array("hush\rhush", 'line break'),
      'NUL' => array("hush\0hush", 'NUL'),
      'not UTF-8' => array("hush\xFFhush", 'UTF-8'),
      'half a character' => array("hush\xC3", 'UTF-8'),
    );
  }

  public function testTheFileAndItsFolderAreClosedToOthersWhateverTheUmask() {
    $old = umask(0);
    $this->assertTrue(hosting_skynet_config_write($this->folder . '/skynet/skynet.conf', 'x'));
    $this->assertSame(0, umask($old));
    $this->assertSame(0700, fileperms($this->folder . '/skynet') & 07777);
    $this->assertSame(0600, fileperms($this->folder . '/skynet/skynet.conf') & 07777);
    $this->assertSame(array('.', '..', 'skynet.conf'), scandir($this->folder . '/skynet'));
  }

  public function testAFileWithTheSameContentIsNotTouched() {
    $path = $this->folder . '/skynet/skynet.conf';
    hosting_skynet_config_write($path, 'x');
    touch($path, 1000000000);
    clearstatcache();
    $before = stat($path);
    $this->assertFalse(hosting_skynet_config_write($path, 'x'));
    clearstatcache();
    $after = stat($path);
    $this->assertSame(array($before['ino'], $before['mtime'], $before['ctime']), array($after['ino'], $after['mtime'], $after['ctime']));
  }

  public function testAFileWithTheSameContentThatOthersCanReadIsClosed() {
    $path = $this->folder . '/skynet/skynet.conf';
    hosting_skynet_config_write($path, 'x');
    chmod($path, 0644);
    chmod($this->folder . '/skynet', 0755);
    $this->assertFalse(hosting_skynet_config_write($path, 'x'));
    clearstatcache();
    $this->assertSame(0600, fileperms($path) & 0777);
    $this->assertSame(0700, fileperms($this->folder . '/skynet') & 0777);
  }

  public function testAChangedFileIsReplacedByAnotherOne() {
    $path = $this->folder . '/skynet/skynet.conf';
    hosting_skynet_config_write($path, HOSTING_SKYNET_CONFIG_MARK . ' 1');
    // Somebody who has the old file open keeps reading the old one, whole.
    $reader = fopen($path, 'r');
    $this->assertTrue(hosting_skynet_config_write($path, HOSTING_SKYNET_CONFIG_MARK . ' 2'));
    $this->assertSame(HOSTING_SKYNET_CONFIG_MARK . ' 1', stream_get_contents($reader));
    $this->assertSame(HOSTING_SKYNET_CONFIG_MARK . ' 2', file_get_contents($path));
    $this->assertSame(array('.', '..', 'skynet.conf'), scandir($this->folder . '/skynet'));
  }

  public function testSomebodyElsesFileIsKeptOnceAndClosed() {
    mkdir($this->folder . '/skynet', 0755);
    $path = $this->folder . '/skynet/skynet.conf';
    file_put_contents($path, 'the python daemon');
    chmod($path, 0644);
    hosting_skynet_config_write($path, HOSTING_SKYNET_CONFIG_MARK . ' 1');
    hosting_skynet_config_write($path, HOSTING_SKYNET_CONFIG_MARK . ' 2');
    clearstatcache();
    $this->assertSame('the python daemon', file_get_contents($path . '.orig'));
    $this->assertSame(0600, fileperms($path . '.orig') & 0777);
    $this->assertSame(HOSTING_SKYNET_CONFIG_MARK . ' 2', file_get_contents($path));
  }

  public function testATemporaryFileThatAKilledProcessLeftIsInNobodysWay() {
    mkdir($this->folder . '/skynet', 0700);
    $path = $this->folder . '/skynet/skynet.conf';
    file_put_contents($path . '.' . getmypid() . '.tmp', 'half');
    $this->assertTrue(hosting_skynet_config_write($path, 'x'));
    $this->assertSame(array('.', '..', 'skynet.conf'), scandir($this->folder . '/skynet'));
  }

  public function testAFolderThatCannotBeMadeIsAnExceptionAndNothingElse() {
    file_put_contents($this->folder . '/skynet', '');
    $umask = umask();
    try {
      hosting_skynet_config_write($this->folder . '/skynet/skynet.conf', 'x');
      $this->fail('no exception');
    }
    catch (RuntimeException $e) {
      $this->assertStringContainsString($this->folder . '/skynet', $e->getMessage());
    }
    $this->assertSame($umask, umask());
  }

  public function testTheWakeFolderBelongsToTheGroupAndLetsItPass() {
    $folder = $this->folder . '/skynet-wake';
    $old = umask(0);
    hosting_skynet_config_wake_folder($folder, (string) posix_getgid());
    umask($old);
    clearstatcache();
    $this->assertSame(0710, fileperms($folder) & 07777);
    $this->assertSame(posix_getgid(), filegroup($folder));
    $entry = posix_getgrgid(posix_getgid());
    hosting_skynet_config_wake_folder($folder, $entry['name']);
    $this->assertSame(posix_getgid(), filegroup($folder));
  }

  public function testAWakeFolderForAGroupThatDoesNotExistIsRefused() {
    $this->expectException(RuntimeException::class);
    hosting_skynet_config_wake_folder($this->folder . '/skynet-wake', 'no-such-group-here');
  }

  public function testCredentialsAreNeverMixedFromTwoSources() {
    $old = array('db_host' => 'old', 'db_name' => 'old', 'db_user' => 'old');
    $new = array('db_host' => 'new', 'db_port' => 33306, 'db_name' => 'new', 'db_user' => 'new', 'db_passwd' => '');
    $this->assertSame(array(
      'host' => 'new',
      'port' => '33306',
      'socket' => '',
      'db' => 'new',
      'user' => 'new',
      'passwd' => '',
    ), hosting_skynet_config_credentials(array(NULL, array(), $old, $new), '/run/mysql.sock'));
    $this->assertNull(hosting_skynet_config_credentials(array($old, array('db_name' => array('x'), 'db_user' => 'u', 'db_passwd' => 'p'))));
  }

  public function testOnlyLocalhostHasASocketUnlessTheSourceNamesOne() {
    $source = array('db_name' => 'd', 'db_user' => 'u', 'db_passwd' => 'p');
    $expected = array(
      array('localhost', '/run/mysql.sock', array()),
      array('localhost', '/run/mysql.sock', array('db_host' => '')),
      array('localhost', '/own.sock', array('db_host' => 'localhost', 'db_socket' => '/own.sock')),
      array('127.0.0.1', '', array('db_host' => '127.0.0.1')),
      array('db.example.com', '', array('db_host' => 'db.example.com')),
    );
    foreach ($expected as $case) {
      $found = hosting_skynet_config_credentials(array($source + $case[2]), '/run/mysql.sock');
      $this->assertSame(array($case[0], $case[1], '3306'), array($found['host'], $found['socket'], $found['port']));
    }
  }

}
