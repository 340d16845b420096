import { shortForm } from '../chaos/short-form.js'

shortForm(['disk-read-only', 'disk-full', 'configuration-abused', 'records-damaged', 'nasty-tasks', 'adversarial-rows'])
