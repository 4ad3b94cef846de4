// Builds dist from the sources, and removes what sources that are gone once left there.
import { build, checkNode, installDependencies } from './setup.mjs'

checkNode()
installDependencies()
if (!build()) process.exitCode = 1
