<#ftl output_format="HTML">
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{project}}</title>
<h1>Hello from {{project}}</h1>
<ul>
<#list names as name>
	<li>${name}</li>
</#list>
</ul>
<form method="post" action="/items">
	<input type="text" name="name" maxlength="100" required> <button>Add</button>
</form>
<#if user != "anonymous"><p>You are <b>${user}</b>.</p></#if>
<form method="post" action="/login">
	<input type="text" name="user" maxlength="100" required> <button>Log in</button>
</form>
<p>served by ${instance}</p>
</html>
