// The database that DATABASE_URL names (postgres:// or mysql://), memory without one.
import { setTimeout } from 'node:timers/promises';

const CONNECTIONS = 4; // of one worker; all of them together share the database's hundred
const TRIES = 25; // to connect while starting, five in a second

export async function openStore(url) {
	if (!url) {
		console.log('DATABASE_URL is not set: items are kept in memory');
		return new Memory();
	}
	const scheme = url.split(':')[0];
	let database;
	if (scheme === 'postgres' || scheme === 'postgresql') database = await postgres(url);
	else if (scheme === 'mysql') database = await mysql(url);
	else throw new Error(`DATABASE_URL: unknown scheme ${scheme}`);
	await Promise.all(Array.from({ length: CONNECTIONS }, () => warm(database)));
	return database;
}

// Makes a connection before the first request waits for it.  While the containers of a release come
// and go, the database's name may not be known for a moment.
async function warm(database) {
	for (let tries = 1; ; tries++) {
		try {
			return await database.query('SELECT 1');
		} catch (error) {
			if (tries === TRIES) return console.error(`database: ${error.message}`);
			await setTimeout(200);
		}
	}
}

async function postgres(url) {
	const { default: pg } = await import('pg');
	const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, idleTimeoutMillis: 0 });
	// an idle connection that the database ended: the pool makes another
	pool.on('error', (error) => console.error(`database: ${error.message}`));
	const numbered = (sql) => {
		let n = 0;
		return sql.replace(/\?/g, () => `$${++n}`);
	};
	return new Database(
		async (sql, values = []) => (await pool.query(numbered(sql), values)).rows,
		() => pool.end(),
	);
}

async function mysql(url) {
	const { createPool } = await import('mysql2/promise');
	const pool = createPool({ uri: url, connectionLimit: CONNECTIONS, charset: 'utf8mb4' });
	return new Database(async (sql, values = []) => (await pool.query(sql, values))[0], () => pool.end());
}

class Database {
	// query(sql, values) gives rows; sql writes ? for a value
	constructor(query, close) {
		this.query = query;
		this.close = close;
	}

	items() {
		return this.query('SELECT id, name FROM item ORDER BY id');
	}

	async add(name) {
		await this.query('INSERT INTO item (name) VALUES (?)', [name]);
	}
}

export class Memory {
	rows = [{ id: 1, name: 'a row from the database' }];

	async items() {
		return this.rows;
	}

	async add(name) {
		this.rows.push({ id: this.rows.length + 1, name });
	}

	async close() {}
}
