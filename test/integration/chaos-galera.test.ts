import { shortForm } from '../chaos/short-form.js'

shortForm(['galera'])
