#!/usr/bin/env node
import { keepCompiledCode } from './cli/compile-cache.js'

keepCompiledCode()
const { main } = await import('./cli/program.js')
process.exitCode = await main(process.argv)
