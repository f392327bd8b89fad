import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { createApp } from '../app.js';
import { Memory, openStore } from '../store.js';

const server = createServer(createApp(new Memory([])));
let at;

before(async () => {
	await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
	at = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

const post = (name) =>
	fetch(`${at}/items`, { method: 'POST', body: new URLSearchParams({ name }), redirect: 'manual' });

test('is healthy', async () => {
	const answer = await fetch(`${at}/healthz`);
	assert.equal(answer.status, 200);
	assert.equal(await answer.text(), 'ok');
});

test('shows an added item', async () => {
	const answer = await post('<b>second</b>');
	assert.equal(answer.status, 303);
	assert.equal(answer.headers.get('location'), '/');
	const page = await (await fetch(`${at}/`)).text();
	assert.match(page, /<li>&lt;b&gt;second&lt;\/b&gt;<\/li>/);
});

test('refuses names that are empty or too long, forms that are too large, unknown paths', async () => {
	assert.equal((await post(' ')).status, 400);
	assert.equal((await post('x'.repeat(101))).status, 400);
	assert.equal((await post('x'.repeat(1 << 20))).status, 413);
	assert.equal((await fetch(`${at}/nowhere`)).status, 404);
});

test('knows its databases', async () => {
	await assert.rejects(openStore('oracle://app:secret@db/app'), /unknown scheme oracle/);
});
