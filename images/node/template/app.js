// What the web application answers.
const LONGEST_NAME = 100; // characters
const LONGEST_BODY = 64 << 10; // bytes

export function createApp(store) {
	const routes = {
		'GET /': async (request, response) => {
			reply(response, 200, page(await store.names()), 'text/html');
		},
		'GET /healthz': (request, response) => reply(response, 200, 'ok'),
		'POST /items': async (request, response) => {
			const form = new URLSearchParams(await body(request));
			const name = (form.get('name') ?? '').trim();
			if (name === '' || [...name].length > LONGEST_NAME || name.includes('\0')) {
				reply(response, 400, 'a name has 1 to 100 characters');
				return;
			}
			await store.add(name);
			response.writeHead(303, { Location: '/' }).end();
		},
	};

	return async (request, response) => {
		const method = request.method === 'HEAD' ? 'GET' : request.method;
		const route = routes[`${method} ${request.url.split('?')[0]}`];
		try {
			if (route) await route(request, response);
			else reply(response, 404, 'not found');
		} catch (error) {
			if (error.status) {
				reply(response, error.status, error.message);
				return;
			}
			console.error(`${request.method} ${request.url}: ${error.message}`);
			if (!response.headersSent) reply(response, 500, 'internal error');
			else response.destroy();
		}
	};
}

function reply(response, status, text, type = 'text/plain') {
	response.writeHead(status, {
		'Content-Type': `${type}; charset=utf-8`,
		'Content-Length': Buffer.byteLength(text),
	});
	response.end(text);
}

async function body(request) {
	const parts = [];
	let size = 0;
	for await (const part of request) {
		size += part.length;
		if (size > LONGEST_BODY) {
			throw Object.assign(new Error('the form is too large'), { status: 413 });
		}
		parts.push(part);
	}
	return Buffer.concat(parts).toString();
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escape(text) {
	return text.replace(/[&<>"']/g, (c) => ENTITIES[c]);
}

function page(names) {
	const rows = names.map((name) => `<li>${escape(name)}</li>`).join('\n');
	const instance = process.env.CODINGLAB_INSTANCE || 'this machine';
	return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{{project}}</title></head>
<body>
<h1>Hello from {{project}}</h1>
<ul>
${rows}
</ul>
<form method="post" action="/items">
<label>Name <input type="text" name="name" maxlength="100" required></label>
<button>Add</button>
</form>
<p>served by ${escape(instance)}</p>
</body>
</html>
`;
}
