import os

from django.shortcuts import render

from .models import Item


def index(request):
    instance = os.environ.get("CODINGLAB_INSTANCE", "this machine")
    return render(request, "items/index.html", {"items": Item.objects.all(), "instance": instance})
