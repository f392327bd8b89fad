// What the application keeps: in the database that DATABASE_URL names (postgres:// or mysql://),
// in memory without one.  A driver is loaded only when it is used.
import { setTimeout } from 'node:timers/promises';

const FIRST_ITEM = 'a row from the database';
const CONNECTIONS = 4; // of one instance; all of them together share the database's hundred
const TRIES = 25; // to connect while starting, five in a second

// Each runs once, in this order; add new ones at the end.  SERIAL is known to both databases.
const MIGRATIONS = [
	'CREATE TABLE item (id SERIAL PRIMARY KEY, name VARCHAR(100) NOT NULL)',
	`INSERT INTO item (name) VALUES ('${FIRST_ITEM}')`,
];

export async function openStore(url) {
	if (!url) {
		console.log('DATABASE_URL is not set: items are kept in memory');
		return new Memory();
	}
	const scheme = url.split(':')[0];
	if (scheme === 'postgres' || scheme === 'postgresql') return (await Database.postgres(url)).warm();
	if (scheme === 'mysql') return (await Database.mysql(url)).warm();
	throw new Error(`DATABASE_URL: unknown scheme ${scheme}`);
}

class Database {
	// query(sql, values) gives rows; sql writes ? for a value
	constructor(query, close) {
		this.query = query;
		this.close = close;
	}

	// Makes all connections before the first request waits for one.  While the containers of a release
	// come and go, the database's name may not be known for a moment.
	async warm() {
		const one = async () => {
			for (let tries = 1; ; tries++) {
				try {
					return await this.query('SELECT 1');
				} catch (error) {
					if (tries === TRIES) return console.error(`database: ${error.message}`);
					await setTimeout(200);
				}
			}
		};
		await Promise.all(Array.from({ length: CONNECTIONS }, one));
		return this;
	}

	static async postgres(url) {
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

	static async mysql(url) {
		const { createPool } = await import('mysql2/promise');
		const pool = createPool({ uri: url, connectionLimit: CONNECTIONS, charset: 'utf8mb4' });
		return new Database(async (sql, values = []) => (await pool.query(sql, values))[0], () => pool.end());
	}

	async names() {
		return (await this.query('SELECT name FROM item ORDER BY id')).map((row) => row.name);
	}

	async add(name) {
		await this.query('INSERT INTO item (name) VALUES (?)', [name]);
	}

	async migrate() {
		await this.query('CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY)');
		const rows = await this.query('SELECT version FROM schema_migrations');
		const done = new Set(rows.map((row) => row.version));
		for (const [i, sql] of MIGRATIONS.entries()) {
			if (done.has(i + 1)) continue;
			await this.query(sql);
			await this.query('INSERT INTO schema_migrations (version) VALUES (?)', [i + 1]);
		}
		return MIGRATIONS.length - done.size;
	}
}

export class Memory {
	constructor(items = [FIRST_ITEM]) {
		this.items = items;
	}

	async names() {
		return this.items;
	}

	async add(name) {
		this.items.push(name);
	}

	async migrate() {
		return 0;
	}

	async close() {}
}
