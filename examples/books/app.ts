// The application that the tasks belong to. It names no broker, so OFFSTAGE_BROKER decides, and a web server, a worker
// and a test can each bring their own. Nothing connects before the first job is enqueued or a worker starts.
import { offstage } from 'offstage'

export const app = offstage()
