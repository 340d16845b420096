/** Another database, or another way to it, is to be used from now on. */
export class ConfigurationChanged extends Error {}
