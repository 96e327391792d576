# One video by the `openai` package for Python, unchanged but for the address and the key.
#
#   pip install openai
#   SPILLWAY_URL=http://127.0.0.1:8080 SPILLWAY_KEY=spw_live_… python examples/openai-python.py video.mp4

import os
import sys
import time

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("SPILLWAY_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("SPILLWAY_KEY", "none"),
)

video = client.videos.create(model="wan-2.6", prompt="A paper boat at dusk", seconds="5", size="1280x720")
while video.status in ("queued", "in_progress"):
    time.sleep(1)
    video = client.videos.retrieve(video.id)
if video.status != "completed":
    raise SystemExit(video.error.message if video.error else video.status)
client.videos.download_content(video.id).write_to_file(sys.argv[1] if len(sys.argv) > 1 else "video.mp4")
