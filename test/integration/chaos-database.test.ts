import { shortForm } from '../chaos/short-form.js'

const NAMES = ['database-restarted', 'connection-stalled', 'leader-connection-dies', 'lock-row', 'database-errors']
shortForm(NAMES, { proxy: true })
