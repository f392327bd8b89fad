// Brings the database to the form that the application expects: runs once for each release, before it serves.
import { openStore } from './store.js';

const store = await openStore(process.env.DATABASE_URL);
console.log(`migrate: ${await store.migrate()} were new`);
await store.close();
