import { Router } from 'express';

const LONGEST_NAME = 100; // characters

export function items(store) {
	const router = Router();

	router.get('/', async (request, response) => {
		response.render('index', { items: await store.items(), user: request.session.user });
	});

	router.post('/items', async (request, response) => {
		const name = String(request.body?.name ?? '').trim();
		if (name === '' || [...name].length > LONGEST_NAME || name.includes('\0')) {
			throw Object.assign(new Error('A name has 1 to 100 characters'), { status: 400 });
		}
		await store.add(name);
		response.redirect(303, '/');
	});

	return router;
}
