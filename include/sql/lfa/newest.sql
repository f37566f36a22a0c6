-- Say when an object was announced last. Index: lfa_object_state.
select max(announced_at) as newest from lfa_object where state = 'announced'
