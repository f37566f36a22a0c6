-- Which regions of the sky an exposure touches, as long as regions and cameras are what they were.

create table unit_regions (
    unit    text primary key references unit (unit),
    version text not null,                          -- of the regions' documents and the focal planes
    regions text not null                           -- JSON list of names; null where it sees no sky
);
