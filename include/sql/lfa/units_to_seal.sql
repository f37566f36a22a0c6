-- Name the parcels with objects that are not sealed. Index: lfa_object_state.
select distinct unit from lfa_object where state = 'checked' and unit <> '' order by unit
