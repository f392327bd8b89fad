// Starts the application: one worker for each of WEB_CONCURRENCY; a worker that dies is replaced.
// SIGTERM ends it after the requests that were begun.
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { createApp } from '../app.js';
import { openStore } from '../db/store.js';

const workers = Number(process.env.WEB_CONCURRENCY || 1);

if (cluster.isPrimary && workers > 1) {
	let stopping = false;
	cluster.on('exit', (worker, code, signal) => {
		if (stopping) return;
		console.error(`worker ${worker.process.pid} ended (${signal || code})`);
		cluster.fork();
	});
	const stop = () => {
		stopping = true;
		for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM');
	};
	process.once('SIGTERM', stop);
	process.once('SIGINT', stop);
	for (let i = 0; i < workers; i++) cluster.fork();
} else {
	await serve();
}

async function serve() {
	const store = await openStore(process.env.DATABASE_URL);
	const port = Number(process.env.PORT || 3000);
	const server = createServer(createApp(store));
	// A proxy in front keeps its connections for a minute: ours must last longer.
	server.keepAliveTimeout = 120_000;
	server.listen(port, () => console.log(`serving on http://0.0.0.0:${port}/`));

	let stopping = false;
	const stop = () => {
		if (stopping) return;
		stopping = true;
		// takes no more connections, closes the idle ones, waits for the others
		server.close(async () => {
			await store.close();
			process.exit(0);
		});
	};
	process.on('SIGTERM', stop);
	process.on('SIGINT', stop);
}
