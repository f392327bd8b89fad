// The web application: `node server.js` serves it on $PORT until SIGTERM, then finishes what was begun.
import { createServer } from 'node:http';
import { createApp } from './app.js';
import { openStore } from './store.js';

const store = await openStore(process.env.DATABASE_URL);
const port = Number(process.env.PORT || 8080);
const server = createServer(createApp(store));
// A proxy in front keeps its connections for a minute: ours must last longer.
server.keepAliveTimeout = 120_000;
server.listen(port, () => console.log(`serving on http://0.0.0.0:${port}/`));

function stop() {
	server.close(async () => {
		await store.close();
		process.exit(0);
	});
}
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
