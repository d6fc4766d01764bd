from sc_sionna.core.plugins import allow

allow("sc_sionna.tasks")  # tasks that are not in the table are named as plug-ins
