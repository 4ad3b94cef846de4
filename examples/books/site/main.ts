// The process of the bundled book site.
import { serveParent } from '../processes.ts'
import { startSite } from './site.ts'

const site = await startSite({ port: Number(process.argv[2]) })
serveParent({ port: site.port }, () => site.close())
