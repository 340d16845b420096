import { shortForm } from '../chaos/short-form.js'

shortForm(['daemon-killed', 'drush-killed', 'several-daemons', 'clock-jumps', 'signal-storm', 'soak'])
