// The application: middleware and routes.
import { fileURLToPath } from 'node:url';
import cookieSession from 'cookie-session';
import express from 'express';
import { csrf } from './csrf.js';
import { items } from './routes/items.js';
import { users } from './routes/users.js';

export function createApp(store) {
	const app = express();
	const secret = process.env.SESSION_SECRET;
	if (!secret && process.env.NODE_ENV === 'production') {
		throw new Error('SESSION_SECRET is not set');
	}

	app.set('view engine', 'ejs');
	app.set('views', fileURLToPath(new URL('./views', import.meta.url)));
	app.disable('x-powered-by');
	app.set('trust proxy', 'uniquelocal'); // the web tier says who asks, and by which scheme

	// before everything else: needs no session and no database
	app.get('/healthz', (request, response) => response.type('text').send('ok'));
	app.use(express.static(fileURLToPath(new URL('./public', import.meta.url)), { maxAge: '1h' }));
	app.use(express.urlencoded({ extended: false, limit: '64kb' }));
	// The session is a signed cookie: any instance understands it.
	app.use(
		cookieSession({
			name: 'session',
			keys: [secret || 'insecure-development-key'],
			maxAge: 14 * 24 * 3600 * 1000,
			httpOnly: true,
			sameSite: 'lax',
		}),
	);
	app.use(csrf);

	app.locals.instance = process.env.CODINGLAB_INSTANCE || 'this machine';
	app.use('/', items(store));
	app.use('/', users());

	app.use((request, response) => response.status(404).render('error', { message: 'Not found' }));
	app.use((error, request, response, next) => {
		if (response.headersSent) return next(error);
		const status = error.status ?? 500;
		if (status >= 500) console.error(`${request.method} ${request.path}: ${error.stack}`);
		response.status(status).render('error', { message: status >= 500 ? 'Internal error' : error.message });
	});
	return app;
}
