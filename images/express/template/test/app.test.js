import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { createApp } from '../app.js';
import { Memory, openStore } from '../db/store.js';

const server = createServer(createApp(new Memory()));
let at;

before(async () => {
	await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
	at = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

// A browser's part: cookies kept, the token of the page sent with each form.
function visitor() {
	const jar = new Map();
	const ask = async (path, options = {}) => {
		const cookie = [...jar].map(([k, v]) => `${k}=${v}`).join('; ');
		const answer = await fetch(at + path, { ...options, headers: { cookie }, redirect: 'manual' });
		for (const line of answer.headers.getSetCookie()) {
			const [name, ...value] = line.split(';')[0].split('=');
			jar.set(name, value.join('='));
		}
		return answer;
	};
	const submit = async (path, fields) => {
		const page = await (await ask('/')).text();
		const _csrf = page.match(/name="_csrf" value="([^"]+)"/)[1];
		return ask(path, { method: 'POST', body: new URLSearchParams({ _csrf, ...fields }) });
	};
	return { ask, submit };
}

test('is healthy', async () => {
	const answer = await fetch(`${at}/healthz`);
	assert.equal(answer.status, 200);
	assert.equal(await answer.text(), 'ok');
});

test('shows an added item', async () => {
	const v = visitor();
	const answer = await v.submit('/items', { name: '<b>second</b>' });
	assert.equal(answer.status, 303);
	assert.match(await (await v.ask('/')).text(), /<li>&lt;b&gt;second&lt;\/b&gt;<\/li>/);
});

test('knows who logged in, and forgets it', async () => {
	const v = visitor();
	assert.equal(await (await v.ask('/whoami')).text(), 'anonymous');
	assert.equal((await v.submit('/login', { user: 'alice' })).status, 303);
	assert.equal(await (await v.ask('/whoami')).text(), 'alice');
	await v.submit('/logout', {});
	assert.equal(await (await v.ask('/whoami')).text(), 'anonymous');
});

test('does not take a session that was changed', async () => {
	const v = visitor();
	await v.submit('/login', { user: 'alice' });
	const session = Buffer.from(JSON.stringify({ user: 'admin' })).toString('base64');
	const answer = await fetch(`${at}/whoami`, { headers: { cookie: `session=${session}; session.sig=nonsense` } });
	assert.equal(await answer.text(), 'anonymous');
});

test('refuses forms without their token, bad names, unknown paths', async () => {
	const v = visitor();
	assert.equal((await v.submit('/items', { _csrf: 'x', name: 'third' })).status, 403);
	assert.equal((await v.submit('/items', { name: ' ' })).status, 400);
	assert.equal((await v.submit('/items', { name: 'x'.repeat(101) })).status, 400);
	assert.equal((await v.ask('/nowhere')).status, 404);
});

test('knows its databases', async () => {
	await assert.rejects(openStore('oracle://app:secret@db/app'), /unknown scheme oracle/);
});
