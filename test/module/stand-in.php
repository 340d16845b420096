<?php

/**
 * @file
 * A minimal stand-in of the Drupal, hosting and drush functions that the module
 * calls. Every call that changes something is recorded, in order.
 *
 * It behaves as Drupal 7 and hosting do where the module depends on it: a verify
 * is queued when hosting sees that the module of a feature was enabled or
 * disabled, unless the feature's variable says so already.
 */

define('DRUPAL_ROOT', '/nowhere');
define('DRUSH_BOOTSTRAP_DRUPAL_FULL', 5);
define('HOSTING_FEATURE_DISABLED', 0);
define('HOSTING_TASK_QUEUED', 0);
define('HOSTING_TASK_SUCCESS', 1);
define('HOSTING_TASK_WARNING', 3);
define('MENU_LOCAL_TASK', 132);
define('REQUIREMENT_OK', 0);
define('REQUIREMENT_WARNING', 1);
define('REQUIREMENT_ERROR', 2);
define('WATCHDOG_WARNING', 4);

/**
 * The world of one test.
 */
class StandIn {

  public static $calls;
  public static $variables;
  public static $modules;
  public static $features;
  public static $known;
  public static $daemons;
  public static $lastVerify;
  public static $contexts;
  public static $context;
  public static $options;
  public static $arguments;
  public static $printed;
  public static $errors;
  public static $shutdown;
  public static $statics;
  public static $nodes;
  public static $path;
  public static $implementations;
  public static $formErrors;
  public static $onRead;
  public static $onVariableSet;

  public static function reset() {
    self::$calls = array();
    self::$variables = array('aegir_hostmaster_site_nid' => '8');
    self::$modules = array('hosting', 'hosting_task');
    // The features that hosting has in its cache, by module.
    self::$features = array('hosting_queued' => 'queued', 'hosting_skynet' => 'skynet');
    // The modules whose files are there.
    self::$known = array('hosting', 'hosting_task', 'hosting_queued', 'hosting_skynet');
    self::$daemons = array();
    self::$lastVerify = NULL;
    self::$contexts = array();
    self::$context = NULL;
    self::$options = array();
    self::$arguments = array();
    self::$printed = array();
    self::$errors = array();
    self::$shutdown = array();
    self::$statics = array();
    self::$nodes = array();
    self::$path = 'node';
    self::$implementations = array();
    self::$formErrors = array();
    self::$onRead = NULL;
    self::$onVariableSet = NULL;
  }

  public static function record() {
    $words = func_get_args();
    self::$calls[] = implode(' ', array_map(array('StandIn', 'word'), $words));
  }

  public static function word($value) {
    return is_string($value) ? $value : json_encode($value);
  }

  /**
   * Returns the recorded calls that begin with a text.
   */
  public static function callsOf($start) {
    $found = array();
    foreach (self::$calls as $call) {
      if (strpos($call, $start) === 0) {
        $found[] = $call;
      }
    }
    return $found;
  }

  /**
   * Calls the registered functions, as Drupal does at the end of a process.
   *
   * @return mixed
   *   What the last one returned.
   */
  public static function shutDown() {
    $result = NULL;
    foreach (self::$shutdown as $arguments) {
      $result = call_user_func_array(array_shift($arguments), $arguments);
    }
    self::$shutdown = array();
    return $result;
  }

  /**
   * Makes a row of {hosting_skynet_daemon}.
   */
  public static function daemon($values = array()) {
    $values += array(
      'id' => 'server:1',
      'host' => 'server',
      'pid' => '77',
      'version' => '1.0.0',
      'state' => 'leader',
      'started' => (string) (time() - 3600),
      'heartbeat' => (string) time(),
      'snapshot' => '{}',
    );
    return (object) $values;
  }

  /**
   * Lets this process be a drush on the hostmaster site.
   */
  public static function onHostmaster($root) {
    self::$modules[] = 'hosting_skynet';
    self::$contexts = array(
      '@server_master' => (object) array('type' => 'server', 'name' => '@server_master', 'aegir_root' => $root, 'web_group' => (string) filegroup($root)),
      '@hostmaster' => (object) array('type' => 'site', 'name' => '@hostmaster', 'profile' => 'hostmaster', 'root' => $root . '/hostmaster', 'uri' => 'aegir.example.com', 'site_path' => $root . '/hostmaster/sites/aegir.example.com'),
    );
    self::$context = '@hostmaster';
    self::$options = array('db_host' => '127.0.0.1', 'db_port' => 33306, 'db_name' => 'aegir', 'db_user' => 'aegir', 'db_passwd' => 's;e#c"r%e\'t $x');
  }

}

StandIn::reset();

class StandInResult extends ArrayIterator {

  public function fetchField() {
    return count($this) ? $this[0] : FALSE;
  }

}

class StandInDelete {

  public function condition($field, $value, $operator = '=') {
    StandIn::record('condition', $field, $operator);
    return $this;
  }

  public function execute() {
    return 0;
  }

}

/* Drupal. */

function t($string, $args = array()) {
  foreach ($args as $key => $value) {
    if ($key[0] === '@') {
      $args[$key] = check_plain($value);
    }
    elseif ($key[0] === '%') {
      $args[$key] = '<em class="placeholder">' . check_plain($value) . '</em>';
    }
  }
  return strtr($string, $args);
}

function check_plain($text) {
  return htmlspecialchars((string) $text, ENT_QUOTES, 'UTF-8');
}

function format_interval($seconds) {
  return $seconds . ' sec';
}

function format_plural($count, $one, $many, $args = array()) {
  return $count == 1 ? t($one, $args) : t($many, $args + array('@count' => $count));
}

function l($text, $path) {
  return '<a href="/' . check_plain($path) . '">' . check_plain($text) . '</a>';
}

function url($path) {
  return '/' . $path;
}

function base_path() {
  return '/';
}

function render(&$element) {
  $output = '';
  foreach ($element['#rows'] as $row) {
    foreach ($row as $cell) {
      $output .= '[' . (is_array($cell) ? $cell['data'] : $cell) . ']';
    }
  }
  return $output === '' && isset($element['#empty']) ? $element['#empty'] : $output;
}

function variable_get($name, $default = NULL) {
  return isset(StandIn::$variables[$name]) ? StandIn::$variables[$name] : $default;
}

function variable_set($name, $value) {
  StandIn::record('variable_set', $name, is_array($value) ? 'array' : $value);
  if (StandIn::$onVariableSet) {
    call_user_func(StandIn::$onVariableSet, $name);
  }
  // Through a serialisation, as in the database.
  StandIn::$variables[$name] = unserialize(serialize($value));
}

function variable_del($name) {
  StandIn::record('variable_del', $name);
  unset(StandIn::$variables[$name]);
}

function module_exists($module) {
  return in_array($module, StandIn::$modules, TRUE);
}

function module_enable($modules, $dependencies = TRUE) {
  StandIn::record('module_enable', $modules);
  foreach ($modules as $module) {
    if (!in_array($module, StandIn::$known, TRUE)) {
      return FALSE;
    }
    StandIn::$modules[] = $module;
    if ($module === 'hosting_queued') {
      variable_set('hosting_queue_tasks_enabled', FALSE);
    }
    elseif (function_exists($module . '_enable')) {
      call_user_func($module . '_enable');
    }
  }
  // What hosting does in hook_modules_enabled().
  foreach ($modules as $module) {
    if (isset(StandIn::$features[$module]) && !variable_get('hosting_feature_' . StandIn::$features[$module], FALSE)) {
      variable_set('hosting_feature_' . StandIn::$features[$module], 1);
      StandIn::record('verify queued');
    }
  }
  return TRUE;
}

function module_disable($modules, $dependents = TRUE) {
  StandIn::record('module_disable', $modules, $dependents);
  foreach ($modules as $module) {
    if ($module === 'hosting_queued') {
      variable_set('hosting_queue_tasks_enabled', TRUE);
    }
    elseif (function_exists($module . '_disable')) {
      call_user_func($module . '_disable');
    }
    StandIn::$modules = array_values(array_diff(StandIn::$modules, array($module)));
  }
  // What hosting does in hook_modules_disabled().
  foreach ($modules as $module) {
    if (isset(StandIn::$features[$module]) && variable_get('hosting_feature_' . StandIn::$features[$module], TRUE)) {
      variable_set('hosting_feature_' . StandIn::$features[$module], 0);
      StandIn::record('verify queued');
    }
  }
}

function module_implements($hook) {
  return isset(StandIn::$implementations[$hook]) ? StandIn::$implementations[$hook] : array();
}

function module_load_include($type, $module, $name) {
  require_once dirname(dirname(dirname(__FILE__))) . '/drupal-module/' . $module . '/' . $name . '.' . $type;
}

function cache_clear_all($cid, $bin) {
  StandIn::record('cache_clear_all', $cid, $bin);
  if ($cid === 'hosting_features') {
    StandIn::$features['hosting_skynet'] = 'skynet';
  }
}

function db_query($query, $args = array()) {
  if (strpos($query, '{hosting_skynet_daemon}') !== FALSE) {
    if (StandIn::$onRead) {
      call_user_func(StandIn::$onRead);
    }
    if (StandIn::$daemons === NULL) {
      throw new Exception('no such table');
    }
    return new StandInResult(unserialize(serialize(StandIn::$daemons)));
  }
  return new StandInResult(array(StandIn::$lastVerify));
}

function db_delete($table) {
  StandIn::record('db_delete', $table);
  return new StandInDelete();
}

function db_table_exists($table) {
  return StandIn::$daemons !== NULL;
}

function drupal_install_schema($module) {
  StandIn::record('drupal_install_schema', $module);
}

function watchdog($type, $message, $variables = array(), $severity = 5) {
  StandIn::record('watchdog', $message);
}

function user_access($permission) {
  return $permission === 'administer hosting queues';
}

function drupal_is_cli() {
  return FALSE;
}

function current_path() {
  return StandIn::$path;
}

function drupal_set_message($message, $type = 'status', $repeat = TRUE) {
  StandIn::record('drupal_set_message', $type, $message);
}

function &drupal_static($name, $default = NULL) {
  if (!array_key_exists($name, StandIn::$statics)) {
    StandIn::$statics[$name] = $default;
  }
  return StandIn::$statics[$name];
}

function drupal_register_shutdown_function($name) {
  $arguments = func_get_args();
  StandIn::$shutdown[] = $arguments;
}

function drupal_map_assoc($values) {
  return array_combine($values, $values);
}

function form_set_error($name, $message) {
  StandIn::$formErrors[$name] = $message;
}

/* Hosting. */

function hosting_get_hostmaster_site_nid() {
  return variable_get('aegir_hostmaster_site_nid', NULL);
}

function hosting_context_load($name) {
  $name = ltrim($name, '@');
  return isset(StandIn::$nodes[$name]) ? StandIn::$nodes[$name] : FALSE;
}

function hosting_available_tasks() {
  return array(
    'site' => array('verify' => array(), 'backup' => array(), 'delete' => array()),
    'platform' => array('verify' => array(), 'lock' => array()),
    'server' => array('verify' => array()),
  );
}

function hosting_add_task($nid, $type, $args = NULL) {
  if ($type === 'delete') {
    return FALSE;
  }
  StandIn::record('hosting_add_task', $nid, $type, $args);
  return (object) array('nid' => '4711');
}

/* Drush and provision. */

function dt($string, $args = array()) {
  return strtr($string, $args);
}

function d($name = NULL) {
  $name = $name === NULL ? StandIn::$context : $name;
  return isset(StandIn::$contexts[$name]) ? StandIn::$contexts[$name] : NULL;
}

function drush_get_option($name, $default = NULL) {
  return isset(StandIn::$options[$name]) ? StandIn::$options[$name] : $default;
}

function drush_get_context($name, $default = array()) {
  return $name === 'site' && isset(StandIn::$options['site']) ? StandIn::$options['site'] : $default;
}

function drush_get_arguments() {
  return StandIn::$arguments;
}

function drush_log($message, $type = 'notice') {
  StandIn::record('drush_log', $type, $message);
}

function drush_print($message) {
  StandIn::$printed[] = (string) $message;
}

function drush_set_error($code, $message) {
  StandIn::$errors[$code] = $message;
  return FALSE;
}

function drush_hosting_pause_validate($url) {
  StandIn::record('running tasks counted', $url);
}
