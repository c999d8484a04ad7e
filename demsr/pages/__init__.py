"""Reports: pages for the browser, each one file that needs no server and no network."""
