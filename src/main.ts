#!/usr/bin/env node
import { start } from './cli/start.js'

void start(process.argv).then((status) => (process.exitCode = status))
