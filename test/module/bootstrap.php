<?php

/**
 * @file
 * Loads the module into a stand-in of Drupal.
 */

error_reporting(-1);
ini_set('display_errors', '1');
$module = dirname(dirname(dirname(__FILE__))) . '/drupal-module/hosting_skynet';
require_once dirname(__FILE__) . '/stand-in.php';
require_once $module . '/hosting_skynet.module';
require_once $module . '/hosting_skynet.install';
require_once $module . '/hosting_skynet.admin.inc';
require_once $module . '/hosting_skynet.status.inc';
require_once $module . '/hosting_skynet.wake.inc';
require_once $module . '/hosting_skynet.config.inc';
require_once $module . '/hosting.feature.skynet.inc';
require_once $module . '/drush/skynet.drush.inc';

/**
 * Makes an empty folder that nobody else has.
 */
function test_folder() {
  $folder = sys_get_temp_dir() . '/hosting_skynet_' . getmypid() . '_' . mt_rand();
  mkdir($folder, 0711);
  return $folder;
}

/**
 * Removes a folder and what is in it.
 */
function test_remove($folder) {
  foreach (array_diff(scandir($folder), array('.', '..')) as $name) {
    $path = $folder . '/' . $name;
    is_dir($path) && !is_link($path) ? test_remove($path) : unlink($path);
  }
  rmdir($folder);
}
