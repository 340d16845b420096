#!/usr/bin/env -S node --v8-pool-size=1
import { start } from './cli/start.js'

void start(process.argv).then((status) => (process.exitCode = status))
