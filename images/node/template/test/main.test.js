import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greet } from '../main.js';

test('greets', () => {
	assert.equal(greet('you'), 'Hello, you!');
});
