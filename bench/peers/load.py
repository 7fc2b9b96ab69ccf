"""transformers loads a folder in the type it is stored in, and says what it took, in one JSON line.

Run: python load.py FOLDER THREADS
"""
import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM

from protocol import status_mib

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
start_mib, start = status_mib("VmRSS"), time.perf_counter()
model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
touched = sum(float(p.flatten()[:: 2048].float().sum()) for p in model.parameters())  # mapped pages count once they are read
print(json.dumps({"seconds": time.perf_counter() - start, "start_mib": start_mib, "peak_mib": status_mib("VmHWM")}))
