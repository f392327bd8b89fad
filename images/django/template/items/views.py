import os

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from .forms import ItemForm, LoginForm
from .models import Item


def page(request, item_form=None, login_form=None):
    status = 400 if item_form or login_form else 200
    return render(
        request,
        "items/index.html",
        {
            "items": Item.objects.all(),
            "item_form": item_form or ItemForm(),
            "login_form": login_form or LoginForm(),
            "user_name": request.session.get("user"),
            "instance": os.environ.get("CODINGLAB_INSTANCE", "this machine"),
        },
        status=status,
    )


@require_safe
def index(request):
    return page(request)


@require_POST
def add(request):
    form = ItemForm(request.POST)
    if not form.is_valid():
        return page(request, item_form=form)
    form.save()
    return redirect("index")


# A name is enough here: django.contrib.auth's views, with passwords, can take its place.
@require_POST
def login(request):
    form = LoginForm(request.POST)
    if not form.is_valid():
        return page(request, login_form=form)
    request.session.cycle_key()
    request.session["user"] = form.cleaned_data["user"]
    return redirect("index")


@require_POST
def logout(request):
    request.session.flush()
    return redirect("index")


@require_safe
def whoami(request):
    return HttpResponse(request.session.get("user", "anonymous"), content_type="text/plain; charset=utf-8")
