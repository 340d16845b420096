<?php

/**
 * @file
 * A stand-in of Drupal's Database class. Apart, because most drush processes of
 * provision have none.
 */

class Database {

  public static function getConnectionInfo($key) {
    return array(
      'default' => array(
        'driver' => 'mysql',
        'database' => 'connected',
        'username' => 'c',
        'password' => 'pw',
        'host' => 'db.example.com',
        'port' => '3307',
      ),
    );
  }

}
