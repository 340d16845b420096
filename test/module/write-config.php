<?php

/**
 * @file
 * Writes configuration files with the module's own writer.
 *
 * Usage: php write-config.php FILE < CREDENTIALS
 *        php write-config.php < LIST
 *
 * CREDENTIALS is a JSON object with the keys that provision uses (db_host,
 * db_port, db_socket, db_name, db_user, db_passwd). LIST is a JSON list of
 * {"file": FILE, "credentials": CREDENTIALS}.
 *
 * Prints a line for each file: "written", "unchanged" or "refused: REASON". Exits
 * with 1 if one was refused, 2 on a wrong call or on any notice of PHP.
 */

error_reporting(E_ALL);
ini_set('display_errors', 'stderr');
set_error_handler('write_config_error');
require dirname(dirname(dirname(__FILE__))) . '/drupal-module/hosting_skynet/hosting_skynet.config.inc';

function write_config_error($code, $message) {
  if (error_reporting() & $code) {
    fwrite(STDERR, $message . "\n");
    exit(2);
  }
  return TRUE;
}

$input = json_decode(file_get_contents('php://stdin'), TRUE);
$list = isset($argv[1]) ? array(array('file' => $argv[1], 'credentials' => $input)) : $input;
if (!is_array($input) || !isset($list[0]['file'])) {
  fwrite(STDERR, "Usage: php write-config.php FILE < CREDENTIALS\n");
  exit(2);
}
$status = 0;
foreach ($list as $item) {
  try {
    $credentials = hosting_skynet_config_credentials(array($item['credentials']), ini_get('pdo_mysql.default_socket'));
    if (!$credentials) {
      throw new RuntimeException('the credentials are not complete');
    }
    $written = hosting_skynet_config_write($item['file'], hosting_skynet_config_render($credentials));
    print ($written ? 'written' : 'unchanged') . "\n";
  }
  catch (Exception $e) {
    print 'refused: ' . $e->getMessage() . "\n";
    $status = 1;
  }
}
exit($status);
