-- Record the stamp of an object that was copied before stamps were kept. Parameters: key, stamp.
update lfa_object set stamp = :stamp where key = :key and stamp = ''
