-- Go through the gate: whoever comes next waits for this transaction's end. Parameters: none. Index: primary key.
update expiry_gate set passes = passes + 1 where gate = 1
