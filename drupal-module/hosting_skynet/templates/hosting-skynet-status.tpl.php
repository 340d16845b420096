<?php

/**
 * @file
 * Shows what the daemon does.
 *
 * Available variables:
 * - $alive: whether the daemon reports as often as it should.
 * - $summary: one sentence about the daemon, HTML.
 * - $notes: further sentences, such as about a pause, HTML.
 * - $tables: tables by name (running, waiting, daemons), render arrays.
 *
 * @see template_preprocess_hosting_skynet_status()
 */
?>
<div class="hosting-skynet-status">
  <div class="messages <?php print $alive ? 'status' : 'warning'; ?>">
    <p><?php print $summary; ?></p>
    <?php foreach ($notes as $note): ?>
      <p><?php print $note; ?></p>
    <?php endforeach; ?>
  </div>
  <?php foreach ($tables as $table): ?>
    <?php print render($table); ?>
  <?php endforeach; ?>
</div>
