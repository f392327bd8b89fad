// Forms carry a token of the session (the synchronizer pattern): a page of another site does not know it.
import { randomBytes, timingSafeEqual } from 'node:crypto';

export function csrf(request, response, next) {
	request.session.csrf ??= randomBytes(18).toString('base64url');
	response.locals.csrf = request.session.csrf;
	if (['GET', 'HEAD', 'OPTIONS'].includes(request.method) || same(request.body?._csrf, request.session.csrf)) {
		return next();
	}
	next(Object.assign(new Error('the form is not of this session'), { status: 403 }));
}

function same(given, expected) {
	const a = Buffer.from(String(given ?? ''));
	const b = Buffer.from(expected);
	return a.length === b.length && timingSafeEqual(a, b);
}
