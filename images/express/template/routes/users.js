// Who is asking.  A name is enough here: put a password check of your own in its place.
import { Router } from 'express';

export function users() {
	const router = Router();

	router.post('/login', (request, response) => {
		const user = String(request.body?.user ?? '').trim();
		if (!/^[\p{L}\p{N}_.@-]{1,50}$/u.test(user)) {
			throw Object.assign(new Error('A user name has 1 to 50 letters and digits'), { status: 400 });
		}
		request.session = { user }; // a new session, with a new token
		response.redirect(303, '/');
	});

	router.post('/logout', (request, response) => {
		request.session = null;
		response.redirect(303, '/');
	});

	router.get('/whoami', (request, response) => {
		response.type('text').send(request.session.user ?? 'anonymous');
	});

	return router;
}
