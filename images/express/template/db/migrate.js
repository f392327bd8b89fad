// Brings the database to the form that the application expects: runs once for each release, before it
// serves.  A file of migrations/ holds one statement; each runs once, in the order of their names.
import { readdir, readFile } from 'node:fs/promises';
import { openStore } from './store.js';

const folder = new URL('./migrations/', import.meta.url);
const store = await openStore(process.env.DATABASE_URL);
let count = 0;

if (store.query) {
	await store.query('CREATE TABLE IF NOT EXISTS schema_migrations (name VARCHAR(100) PRIMARY KEY)');
	const rows = await store.query('SELECT name FROM schema_migrations');
	const done = new Set(rows.map((row) => row.name));
	for (const name of (await readdir(folder)).filter((n) => n.endsWith('.sql')).sort()) {
		if (done.has(name)) continue;
		await store.query(await readFile(new URL(name, folder), 'utf8'));
		await store.query('INSERT INTO schema_migrations (name) VALUES (?)', [name]);
		console.log(`migrate: ${name}`);
		count++;
	}
}
console.log(`migrate: ${count} were new`);
await store.close();
